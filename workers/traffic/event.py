"""An event amid the traffic: an origin dies and comes back; and the failures of a slice by their time."""

from dataclasses import dataclass

from workers.lab.health import HealthCheck

_WATCHED_S = 0.4  # how long everything is as before, until the last look at the lab
_SPARE_S = 0.3  # between that and the end of the slice


@dataclass(frozen=True)
class OriginEvent:
    """In each counted slice one origin dies ``dies_s`` after its start, and comes back ``down_s`` later.

    ``silent``: all its packets are dropped. Otherwise its process ends, and its port answers with a reset. ``check`` is
    how a balancer with a health check learns of it. For ``late_s`` after the return, errors may still be a consequence.
    ``kept_connections``: the clients keep their connections open, so that those that break can be counted. ``joins``:
    the origin dies before the traffic begins, so that it joins the others when it comes back; then balancers empty
    their table of connections.
    """

    dies_s: float
    down_s: float
    silent: bool
    check: HealthCheck
    late_s: float
    kept_connections: bool = False
    joins: bool = False

    @property
    def settled_s(self) -> float:
        """How long after the return the last look at the lab is."""
        return max(self.late_s, self.check.up_within_s) + _WATCHED_S

    @property
    def least_slice_s(self) -> float:
        """The shortest slice that holds the event and its consequences."""
        return self.dies_s + self.down_s + self.settled_s + _SPARE_S


@dataclass(frozen=True)
class Failed:
    """By steps of a slice: requests that were due in one and failed, and errors that happened in one.

    The last step has what came after the slice's end.
    """

    step_s: float
    lost: tuple[int, ...]
    errors: tuple[int, ...]

    def plus(self, other: "Failed") -> "Failed":
        """The sum of two clients. Raises ``ValueError`` if their steps differ."""
        if self.step_s != other.step_s:
            raise ValueError("failures by different steps")
        lost, errors = (
            tuple(mine + its for mine, its in zip(*pair, strict=True))
            for pair in ((self.lost, other.lost), (self.errors, other.errors))
        )
        return Failed(self.step_s, lost, errors)

    def between(self, begin_s: float, end_s: float) -> tuple[int, int]:
        """Lost requests and errors of the steps that begin in this time, counted from the slice's start."""
        at = [step for step in range(len(self.lost)) if begin_s <= step * self.step_s < end_s]
        return sum(self.lost[step] for step in at), sum(self.errors[step] for step in at)
