"""Flame graphs of on-CPU stacks as SVG (Gregg, "The Flame Graph", CACM 59(6), 2016). Pure.

A frame's width is its share of the samples; below it stands who called it. The differential one is drawn over the
compared datapath's stacks: red frames took a larger share of the CPU time than under the reference, blue a smaller one.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from zlib import crc32

from domain.stacks import KERNEL_SUFFIX, ROLES, Stacks

WIDTH, ROW, FONT = 1200, 17, 11
CHARACTER = 6.6  # width of one at FONT
NARROWEST = 0.3  # pixels; what is narrower is not drawn
MAX_FRAMES = 5_000  # drawn; of more only the widest: a page of many megabytes helps nobody
MARGIN = 28


@dataclass
class Frame:
    """A function as called from its parent, with the samples in it and in what it called."""

    name: str
    count: float = 0.0
    before: float = 0.0  # in the reference
    children: dict[str, "Frame"] = field(default_factory=dict)

    def add(self, stack: Iterable[str], count: float, before: float = 0.0) -> None:
        """One folded stack, outermost first."""
        frame = self
        frame.count += count
        frame.before += before
        for name in stack:
            frame = frame.children.setdefault(name, Frame(name))
            frame.count += count
            frame.before += before

    @property
    def depth(self) -> int:
        """Rows that it and its children take."""
        return 1 + max((child.depth for child in self.children.values()), default=0)


@dataclass(frozen=True)
class Placed:
    """Where a frame is drawn: pixels from the left, rows from the bottom."""

    frame: Frame
    x: float
    width: float
    row: int


def tree(stacks: Stacks, reference: Stacks | None = None) -> Frame:
    """All stacks as one tree, the roles at its root. ``before`` is the reference's share, in samples of ``stacks``."""
    root = Frame("all")
    _fill(root, stacks, 1.0, 0.0)
    if reference is not None and reference.samples:
        _fill(root, reference, 0.0, stacks.samples / reference.samples)
    return root


def _fill(root: Frame, stacks: Stacks, now: float, before: float) -> None:
    for role in ROLES:
        for stack, count in sorted(stacks.counts.get(role, {}).items()):
            root.add((role, *stack.split(";")), count * now, count * before)


def placed(frame: Frame, x: float, width: float, row: int = 0) -> Iterator[Placed]:
    """The frame and what it called, in the order of their names, so that like stands below like in every graph."""
    if width < NARROWEST:
        return
    yield Placed(frame, x, width, row)
    for _, child in sorted(frame.children.items()):
        part = width * child.count / frame.count
        yield from placed(child, x, part, row + 1)
        x += part


def flame_svg(title: str, stacks: Stacks, reference: Stacks | None = None) -> str:
    """The graph as an SVG document; differential with a ``reference``. Raises ``ValueError`` without samples."""
    if not stacks.samples:
        raise ValueError("no samples: there is nothing to draw")
    root = tree(stacks, reference)
    boxes = _widest(list(placed(root, 0.0, WIDTH)))
    height = MARGIN + ROW * (1 + max(box.row for box in boxes))
    drawn = "".join(_box(box, root, height, differential=reference is not None) for box in boxes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'font-family="monospace" font-size="{FONT}" role="img" aria-label="{escape(title)}">'
        f'<text x="4" y="16" font-size="13" font-family="sans-serif" fill="currentColor">{escape(title)}</text>'
        f"{drawn}</svg>"
    )


def _widest(boxes: list[Placed]) -> list[Placed]:
    """At most :data:`MAX_FRAMES`. No frame is wider than its caller, so each that stays keeps what it stands on."""
    if len(boxes) <= MAX_FRAMES:
        return boxes
    limit = sorted((box.width for box in boxes), reverse=True)[MAX_FRAMES]
    return [box for box in boxes if box.width > limit]


def _box(box: Placed, root: Frame, height: int, *, differential: bool) -> str:
    frame = box.frame
    y = height - ROW * (box.row + 1)
    share = frame.count / root.count
    tip = f"{frame.name}: {share:.2%} of {root.count:.0f} samples"
    if differential:
        tip += f", {share - frame.before / root.count:+.2%} against the reference"
    room = int((box.width - 4) / CHARACTER)
    name = frame.name.removesuffix(KERNEL_SUFFIX)
    label = name if len(name) <= room else f"{name[: room - 1]}…" if room >= 4 else ""
    color = _heat(frame, root) if differential else _color(frame.name)
    width = max(box.width - 0.3, 0.2)
    text = f'<text x="{box.x + 2:.1f}" y="{y + 12}" fill="#111">{escape(label)}</text>' if label else ""
    return (
        f'<g data-x="{box.x:.1f}" data-w="{box.width:.1f}" data-row="{box.row}"><title>{escape(tip)}</title>'
        f'<rect x="{box.x:.1f}" y="{y}" width="{width:.1f}" height="{ROW - 1}" rx="1" fill="{color}"/>'
        f"{text}</g>"
    )


def _color(name: str) -> str:
    """Kernel functions orange, user functions green, roles grey; like names look alike in every graph."""
    if name in ROLES or name == "all":
        return "#c9ced6"
    shade = crc32(name.encode()) % 40
    return (
        f"hsl({22 + shade // 2} 85% {58 + shade // 4}%)"
        if name.endswith(KERNEL_SUFFIX)
        else f"hsl({90 + shade} 45% 62%)"
    )


def _heat(frame: Frame, root: Frame) -> str:
    """White where nothing changed; full red or blue from a tenth of all samples on."""
    delta = (frame.count - frame.before) / root.count
    paleness = 96 - 44 * math.sqrt(min(1.0, abs(delta) / 0.10))
    return f"hsl({0 if delta > 0 else 215} 85% {paleness:.0f}%)"


def merged(stacks: Iterable[Stacks]) -> Stacks:
    """The sum over trials."""
    total = Stacks()
    for one in stacks:
        total = total.plus(one)
    return total


def shares(stacks: Stacks) -> Mapping[str, float]:
    """Each role's share of the samples, 0 to 1."""
    total = stacks.samples
    return {role: sum(stacks.counts[role].values()) / total for role in ROLES if role in stacks.counts}
