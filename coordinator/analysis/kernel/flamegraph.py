"""Flame graphs of on-CPU stacks as SVG (Gregg, "The Flame Graph", CACM 59(6), 2016). Pure.

A frame's width is its share of the samples; its caller is below it. The differential graph has the compared datapath's
stacks. Red frames took a larger share of the CPU time than under the reference, blue frames a smaller one.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from zlib import crc32

from domain.probes.stacks import KERNEL_SUFFIX, ROLES, Stacks
from domain.values.texts import share_text

WIDTH, ROW, FONT = 1200, 17, 11
CHARACTER = 6.6  # width of a character at FONT
NARROWEST = 0.3  # pixels; narrower frames are not drawn
MAX_FRAMES = 5_000  # only the widest are drawn; more would make a page of many megabytes
MAX_TREE = 300_000  # frames in memory; of rarer stacks, only the callers are there
LONGEST = 300  # characters of a function's name
MARGIN = 28


@dataclass(slots=True)
class Frame:
    """A function as called from its parent, with the samples in it and its callees."""

    name: str
    count: float = 0.0
    before: float = 0.0  # in the reference
    children: dict[str, "Frame"] = field(default_factory=dict)

    def add(self, stack: Iterable[str], count: float, before: float = 0.0, room: int = MAX_TREE) -> int:
        """Add one folded stack, outermost function first. Returns how many frames are new: at most ``room``."""
        frame, new = self, 0
        frame.count += count
        frame.before += before
        for name in stack:
            if name not in frame.children:
                if new == room:
                    break
                frame.children[name], new = Frame(name[:LONGEST]), new + 1
            frame = frame.children[name]
            frame.count += count
            frame.before += before
        return new

    @property
    def depth(self) -> int:
        """Rows of the frame and its children."""
        return 1 + max((child.depth for child in self.children.values()), default=0)


@dataclass(frozen=True)
class Box:
    """The place of a frame: pixels from the left, rows from the bottom."""

    frame: Frame
    x: float
    width: float
    row: int


def tree(stacks: Stacks, reference: Stacks | None = None) -> Frame:
    """All stacks as one tree with the roles at its root. ``before`` is the reference's share, scaled to ``stacks``."""
    root = Frame("all")
    _fill(root, stacks, 1.0, 0.0, MAX_TREE)
    if reference is not None and reference.samples:
        _fill(root, reference, 0.0, stacks.samples / reference.samples, 0)  # frames that only it has are not drawn
    return root


def _fill(root: Frame, stacks: Stacks, now: float, before: float, room: int) -> None:
    """The most frequent first, as they get the room."""
    ranked = ((role, stack, n) for role in ROLES for stack, n in stacks.counts.get(role, {}).items())
    for role, stack, count in sorted(ranked, key=lambda one: -one[2]):
        room -= root.add((role, *stack.split(";")), count * now, count * before, room)


def layout(frame: Frame, x: float, width: float, row: int = 0) -> Iterator[Box]:
    """Place the frame and its callees by name, so that the same functions have the same order in every graph."""
    if width < NARROWEST:
        return
    yield Box(frame, x, width, row)
    for _, child in sorted(frame.children.items()):
        part = width * child.count / frame.count
        yield from layout(child, x, part, row + 1)
        x += part


def flame_svg(title: str, stacks: Stacks, reference: Stacks | None = None) -> str:
    """The graph as an SVG document, differential if there is a ``reference``. Raises ``ValueError`` without samples."""
    if not stacks.samples:
        raise ValueError("no samples: there is nothing to draw")
    root = tree(stacks, reference)
    boxes = _widest(list(layout(root, 0.0, WIDTH)))
    height = MARGIN + ROW * (1 + max(box.row for box in boxes))
    drawn = "".join(_box(box, root, height, differential=reference is not None) for box in boxes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'font-family="monospace" font-size="{FONT}" role="img" aria-label="{escape(title)}">'
        f'<text x="4" y="16" font-size="13" font-family="sans-serif" fill="currentColor">{escape(title)}</text>'
        f"{drawn}</svg>"
    )


def _widest(boxes: list[Box]) -> list[Box]:
    """At most :data:`MAX_FRAMES`. A frame is never wider than its caller, so no drawn frame loses its callers."""
    if len(boxes) <= MAX_FRAMES:
        return boxes
    limit = sorted((box.width for box in boxes), reverse=True)[MAX_FRAMES]
    return [box for box in boxes if box.width > limit]


def _box(box: Box, root: Frame, height: int, *, differential: bool) -> str:
    frame = box.frame
    y = height - ROW * (box.row + 1)
    share = frame.count / root.count
    tip = f"{frame.name}: {share_text(share, 2)} of {root.count:.0f} samples"
    if differential:
        tip += f", {share_text(share - frame.before / root.count, 2, '+')} relative to the reference"
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
    """Kernel functions are orange, user functions green, roles grey; a function has the same shade in every graph."""
    if name in ROLES or name == "all":
        return "#c9ced6"
    shade = crc32(name.encode()) % 40
    return (
        f"hsl({22 + shade // 2} 85% {58 + shade // 4}%)"
        if name.endswith(KERNEL_SUFFIX)
        else f"hsl({90 + shade} 45% 62%)"
    )


def _heat(frame: Frame, root: Frame) -> str:
    """White for no change; full red or blue from a tenth of all samples on."""
    delta = (frame.count - frame.before) / root.count
    paleness = 96 - 44 * math.sqrt(min(1.0, abs(delta) / 0.10))
    return f"hsl({0 if delta > 0 else 215} 85% {paleness:.0f}%)"


def merge(stacks: Iterable[Stacks]) -> Stacks:
    """The sum over trials."""
    total = Stacks()
    for one in stacks:
        total = total.plus(one)
    return total


def shares(stacks: Stacks) -> Mapping[str, float]:
    """Each role's share of the samples, from 0 to 1."""
    total = stacks.samples
    return {role: sum(stacks.counts[role].values()) / total for role in ROLES if role in stacks.counts}
