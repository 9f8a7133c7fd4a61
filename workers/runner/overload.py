"""Whether an open level was carried: findings from what was due, delivered and pending in its slices. Pure."""

from collections.abc import Sequence
from statistics import fmean, stdev

from domain.hosts.cpu_time import CpuTime
from domain.trials.carried import is_delivered
from domain.trials.trial import SliceResult

# If the load is carried, as many requests are pending at a slice's end as at its middle. Growth counts if its mean over
# the slices, less this many standard errors, exceeds this share of what was due in the half.
GROWTH_ERRORS = 2.0
MAX_GROWTH_SHARE = 0.01
MIN_GROWTH_SLICES = 3  # of fewer slices the standard error is not known
MIN_MISSED_SLICES = 2  # where the rate changes, below its highest
MIN_IDLE_SHARE = 0.02  # of the CPUs at an open level; a host with less idle time has no capacity left


def shortfalls(slices: Sequence[SliceResult], lost: int = 0, *, rate_changes: bool = False) -> list[str]:
    """Why these slices of an open level did not carry their load, in sentences; empty if they did.

    Without a report of what was due and delivered, nothing is found. ``lost`` requests were due, and an event explains
    that they failed. Where the rate changes, each slice must carry its own: the easy ones hide no other. One slice that
    a stall spoils is no overload, unless it has the highest rate.
    """
    known = [(s.due, s.delivered, s.pending_middle, s.pending_end) for s in slices if s.due and s.delivered is not None]
    if not known:
        return []
    found = []
    due, delivered, middle, _ = (sum(one[column] or 0 for one in known) for column in range(4))
    due -= lost
    if not is_delivered(due, delivered, middle, len(known)):
        found.append(f"{delivered} of {due} requests that were due in the slices were answered in them")
    elif rate_changes:
        found += _by_slice(slices)
    growth = [at_end - at_middle for *_, at_middle, at_end in known]
    if len(growth) >= MIN_GROWTH_SLICES:
        least = fmean(growth) - GROWTH_ERRORS * stdev(growth) / len(growth) ** 0.5
        if least > MAX_GROWTH_SHARE * due / len(known) / 2:
            found.append(f"the backlog grew by {fmean(growth):.0f} requests in the second half of a slice")
    return found


def _by_slice(slices: Sequence[SliceResult]) -> list[str]:
    """Which slices did not carry their rate, if the highest one is among them or there are several."""
    missed = [number for number, one in enumerate(slices, 1) if one.carried is False]
    highest = max(range(len(slices)), key=lambda at: slices[at].due or 0) + 1
    if len(missed) < MIN_MISSED_SLICES and highest not in missed:
        return []
    numbers = ", ".join(map(str, missed))
    return [f"the rate was not carried in slice{'s' * (len(missed) > 1)} {numbers} of {len(slices)}"]


def is_carried(one: SliceResult, cpu: CpuTime) -> bool | None:
    """Whether a slice of an open level carried its load; ``None`` in a closed loop, or if the generator does not say.

    A growing backlog shows only over several slices.
    """
    if not one.due or one.delivered is None:
        return None
    return not shortfalls([one]) and not is_full(cpu)


def is_full(cpu: CpuTime) -> bool:
    """True if the traffic filled the host. What others took, other processes or the hypervisor, counts as idle."""
    capacity_s = cpu.wall_s * cpu.cpus
    return capacity_s > 0 and cpu.idle_s + cpu.steal_s + cpu.foreign_s < MIN_IDLE_SHARE * capacity_s
