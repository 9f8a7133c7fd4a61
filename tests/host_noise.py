"""Measure host noise (steal and other programs) while a test measures, and repeat the measurement if there was any.

A test that host noise can spoil puts its measurement and its assertions into windows::

    for window in windows():
        with window:
            figure = measure()
            assert figure < 1.2

If the whole test is one window, it is marked with :func:`in_windows`. A window is repeated only if its assertion failed
and the host was noisy meanwhile. A failure on a quiet host counts at once. The summary of the run names every repeated
window with the reason.
"""

import contextlib
import functools
import os
import time
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import ParamSpec

from workers.runner.foreign import ProcessKey, ProcessTicks, gained_ticks, read_process_ticks

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
WINDOWS = 5
P = ParamSpec("P")
_GRANULARITY_S = 0.02  # the kernel counts in ticks of 10 ms: fewer than two are no evidence

repeats: list[str] = []
"""Why windows of this process were repeated; the report of each test takes the entries from here."""


@dataclass(frozen=True)
class Reading:
    """CPU seconds until ``time_s``: of the whole host, stolen from it, and of this test with its child processes.

    ``kernel_s`` has the CPU seconds of each kernel thread, by its id and start. ``processes`` are all others, and
    ``own`` those that belong to the test.
    """

    time_s: float
    cpus: int
    busy_s: float
    steal_s: float
    own_s: float
    kernel_s: Mapping[ProcessKey, float] = field(default_factory=dict)
    processes: Mapping[ProcessKey, ProcessTicks] = field(default_factory=dict)
    own: Set[ProcessKey] = frozenset()

    def foreign(self) -> dict[ProcessKey, ProcessTicks]:
        """The processes that are neither the kernel's nor the test's."""
        return {key: one for key, one in self.processes.items() if key not in self.own}


@dataclass(frozen=True)
class Noise:
    """Shares of the host's CPU time in a window."""

    steal: float
    foreign: float


@dataclass(frozen=True)
class Limits:
    """The shares up to which a host is quiet: by default those of a valid trial; a test may set lower ones."""

    steal: float = 0.02
    foreign: float = 0.10

    def exceeded(self, noise: Noise) -> str:
        """The reason why the window may be repeated; empty on a quiet host."""
        found = []
        if noise.steal > self.steal:
            found.append(f"the hypervisor took {noise.steal:.0%} of the CPU time (limit {self.steal:.0%})")
        if noise.foreign > self.foreign:
            found.append(f"other programs took {noise.foreign:.0%} of the CPU time (limit {self.foreign:.0%})")
        return " and ".join(found)


def between(earlier: Reading, later: Reading) -> Noise:
    """The noise between two readings.

    The foreign share is the larger of two accounts. The host's time less the test's misses a little: the kernel samples
    the former in ticks. The time that foreign processes gained misses those that nobody waited for.
    """
    wall_s = (later.time_s - earlier.time_s) * later.cpus
    if wall_s <= 0:
        return Noise(0.0, 0.0)
    steal_s = later.steal_s - earlier.steal_s
    # Kernel threads process the traffic of the test. They start and end, so they are compared one by one.
    kernel_s = sum(spent_s - earlier.kernel_s.get(thread, 0.0) for thread, spent_s in later.kernel_s.items())
    less_own_s = (later.busy_s - earlier.busy_s) - (later.own_s - earlier.own_s) - kernel_s
    foreign_s = max(less_own_s, gained_ticks(earlier.processes, later.foreign()) / TICKS_PER_S)
    return Noise(*(spent_s / wall_s if spent_s >= _GRANULARITY_S else 0.0 for spent_s in (steal_s, foreign_s)))


def reading(proc: Path = Path("/proc")) -> Reading:
    """Read the counters."""
    lines = (proc / "stat").read_text().splitlines()
    user, nice, system, _, _, _, _, steal = (int(word) for word in lines[0].split()[1:9])
    cpus = sum(line[:3] == "cpu" and line[3].isdigit() for line in lines)
    processes = list(_processes(proc))
    own = _descendants(processes, os.getpid())
    others = {(one.pid, one.start): one for one in processes if not one.kernel_thread}
    return Reading(
        time.monotonic(),
        cpus,
        (user + nice + system) / TICKS_PER_S,
        steal / TICKS_PER_S,
        sum(one.ticks + one.waited for one in processes if one.pid in own) / TICKS_PER_S,
        {(one.pid, one.start): one.ticks / TICKS_PER_S for one in processes if one.kernel_thread},
        others,
        {key for key in others if key[0] in own},
    )


def _processes(proc: Path) -> Iterator[ProcessTicks]:
    for path in proc.iterdir():
        if path.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the process ended meanwhile
                yield read_process_ticks((path / "stat").read_text())


def _descendants(processes: list[ProcessTicks], root: int) -> set[int]:
    children: dict[int, list[int]] = {}
    for one in processes:
        children.setdefault(one.parent, []).append(one.pid)
    found, new = {root}, [root]
    while new:
        new = [child for parent in new for child in children.get(parent, []) if child not in found]
        found.update(new)
    return found


@dataclass
class Window:
    """One try: measures the noise around its body, and suppresses a failed assertion if the window is repeated."""

    number: int
    last: int
    limits: Limits
    read: Callable[[], Reading]
    note: Callable[[str], object]
    passed: bool = False
    _before: Reading = field(init=False)

    def __enter__(self) -> "Window":
        self._before = self.read()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.passed = error is None
        if not isinstance(error, AssertionError):
            return False
        reason = self.limits.exceeded(between(self._before, self.read()))
        if not reason:
            return False
        if self.number == self.last:
            error.add_note(f"Host noise in each of {self.last} windows; in the last one {reason}.")
            return False
        text = f"window {self.number} of {self.last} repeated: {reason}"
        self.note(text)
        print(f"host noise: {text}; it failed with: {error}")
        return True


def windows(
    most: int = WINDOWS,
    limits: Limits = Limits(),
    *,
    read: Callable[[], Reading] = reading,
    pause: Callable[[float], object] = time.sleep,
    note: Callable[[str], object] = repeats.append,
) -> Iterator[Window]:
    """Yield windows until one passes; pause longer before each new one, because the noise may end."""
    for number in range(1, most + 1):
        window = Window(number, most, limits, read, note)
        yield window
        if window.passed:
            return
        pause(0.5 * number)


def in_windows(test: Callable[P, None]) -> Callable[P, None]:
    """Run the whole test as one window; it must be able to run again with the same fixtures."""

    @functools.wraps(test)
    def run(*arguments: P.args, **named: P.kwargs) -> None:
        for window in windows():
            with window:
                test(*arguments, **named)

    return run
