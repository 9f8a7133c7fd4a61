"""Which foreign processes were the busiest between two looks: the names behind interference.

A process that starts and ends between the looks is seen only if its parent waits for it; it counts as the parent's.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from domain.hosts.busy import MOST_BUSY, BusyProcess
from domain.values.bounds import printable
from workers.lab.host_cpu import TICKS_PER_S
from workers.runner.foreign import ProcessKey, ProcessTicks, gained_ticks, processes

_LEAST_SHARE = 0.001  # of the CPUs; what uses less disturbs nothing


@dataclass(frozen=True)
class Look:
    """All foreign processes at one time."""

    time_s: float
    seen: Mapping[ProcessKey, ProcessTicks]


def look(time_s: float, is_foreign: Callable[[ProcessTicks, Mapping[int, ProcessTicks]], bool]) -> Look:
    """Look at every process; that costs about 20 µs for each of them."""
    known = {one.pid: one for one in processes()}
    foreign = (one for one in known.values() if not one.kernel_thread and is_foreign(one, known))
    return Look(time_s, {(one.pid, one.start): one for one in foreign})


def busiest(before: Look, after: Look, cpus: int) -> tuple[BusyProcess, ...]:
    """The busiest names between two looks, with their share of the time of all CPUs."""
    by_name: dict[str, dict[ProcessKey, ProcessTicks]] = defaultdict(dict)
    for key, one in after.seen.items():
        by_name[one.name][key] = one
    span_s = (after.time_s - before.time_s) * cpus
    if span_s <= 0:
        return ()
    used = {name: gained_ticks(_related(before, after, these), these) / TICKS_PER_S for name, these in by_name.items()}
    ranked = sorted(used.items(), key=lambda item: (-item[1], item[0]))[:MOST_BUSY]
    shares = ((name, min(1.0, used_s / span_s)) for name, used_s in ranked)
    return tuple(BusyProcess(name=printable(name)[:32], share=share) for name, share in shares if share >= _LEAST_SHARE)


def _related(before: Look, after: Look, these: Mapping[ProcessKey, ProcessTicks]) -> dict[ProcessKey, ProcessTicks]:
    """The processes of an earlier look that matter for these: themselves, and their children that have ended since."""
    pids = {one.pid for one in these.values()}
    ended = before.seen.keys() - after.seen.keys()
    return {k: one for k, one in before.seen.items() if k in these or (k in ended and one.parent in pids)}
