"""What the host did to a trial's counted slices: steal, foreign processes, a CPU limit. Pure."""

from collections.abc import Iterator, Sequence

from domain.hosts.cpu_time import CpuTime
from domain.hosts.noise_limits import (
    MAX_FOREIGN_SHARE,
    MAX_SLICE_FOREIGN_SHARE,
    MAX_SLICE_STEAL_SHARE,
    MAX_SLICE_THROTTLED_SHARE,
    MAX_STEAL_SHARE,
    MAX_THROTTLED_SHARE,
)
from domain.trials.trial import Reason
from domain.values.texts import share_text


def noise(whole: CpuTime, slices: Sequence[CpuTime]) -> Iterator[tuple[Reason, str]]:
    """Each kind of noise above its limit over a trial, or else in its worst slice, in words."""
    if detail := _excess("steal_s", whole, slices, MAX_STEAL_SHARE, MAX_SLICE_STEAL_SHARE):
        yield Reason.STEAL, f"the hypervisor took {detail}"
    if detail := _excess("foreign_s", whole, slices, MAX_FOREIGN_SHARE, MAX_SLICE_FOREIGN_SHARE):
        waited = whole.waited_share
        pressure = f"; a task waited for a CPU {share_text(waited, 0)} of the time" if waited else ""
        yield Reason.INTERFERENCE, f"other processes used {detail}{pressure}"
    if detail := _excess("throttled_s", whole, slices, MAX_THROTTLED_SHARE, MAX_SLICE_THROTTLED_SHARE):
        yield Reason.THROTTLED, f"the CPU limit of the worker's cgroup held back {detail}"


def _excess(kind: str, whole: CpuTime, slices: Sequence[CpuTime], limit: float, slice_limit: float) -> str:
    """By how much CPU seconds of a kind exceed their limit over the trial, or in its worst slice; empty if not."""
    if (share := whole.share_of(getattr(whole, kind))) > limit:
        return f"{share_text(share)} of the CPUs"
    shares = [one.share_of(getattr(one, kind)) for one in slices]
    worst = max(shares, default=0.0)
    if worst <= slice_limit:
        return ""
    return f"{share_text(worst)} of the CPUs in slice {shares.index(worst) + 1} of {len(shares)}"
