"""Health checks of origins: how often, and how many equal outcomes change the state of one. Pure."""

from dataclasses import dataclass

HEALTH_PORT = 81
"""The port of an origin for health checks. On the port that is balanced, its answers would go to the client."""


@dataclass(frozen=True)
class HealthCheck:
    """A connect every ``every_s``, which also limits how long one may take.

    So many ``failures`` in a row mean that the origin is down, so many ``successes`` that it is up again.
    """

    every_s: float = 0.1
    failures: int = 2
    successes: int = 2

    @property
    def down_within_s(self) -> float:
        """The longest time from a death until the origin is known to be down, on a host that is not busy."""
        return (self.failures + 1) * self.every_s

    @property
    def up_within_s(self) -> float:
        """The longest time from a return until the origin is known to be up."""
        return (self.successes + 1) * self.every_s


@dataclass(frozen=True)
class Mark:
    """An origin that was marked as up or down; the time is monotonic."""

    at_s: float
    address: str
    up: bool


@dataclass
class OriginHealth:
    """What a checker thinks of one origin; at first it is up."""

    check: HealthCheck
    up: bool = True
    contrary: int = 0  # outcomes in a row that contradict ``up``

    def saw(self, *, answered: bool) -> bool:
        """Add an outcome; returns whether it changed the state."""
        self.contrary = self.contrary + 1 if answered != self.up else 0
        if self.contrary < (self.check.successes if answered else self.check.failures) or answered == self.up:
            return False
        self.up, self.contrary = answered, 0
        return True
