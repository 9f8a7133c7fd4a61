"""A request's path: which kernel stages are on it, in which order, and which is part of which other. Pure.

Each probe declares the place of its stage, and the capabilities of its host carry it here. A stage that no host
declares is shown beside the sum and is no part of it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from domain.probes.place import Place
from domain.probes.watched import StageRole
from domain.service.jobs import HostCapabilities

SEND_WAIT = "send_wait"
"""From the intended send to the actual one: the generator measures it, not a probe. It precedes every stage."""


@dataclass(frozen=True)
class StagePath:
    """The declared places, by stage."""

    places: Mapping[str, Place] = field(default_factory=dict)

    @classmethod
    def of(cls, hosts: Iterable[HostCapabilities]) -> "StagePath":
        """What the probes of these hosts declare; of two declarations for one stage, the first host's counts."""
        places: dict[str, Place] = {}
        for host in hosts:
            for probe in host.probes:
                if probe.place is not None:
                    places.setdefault(probe.stage or probe.name, probe.place)
        return cls(places)

    @cached_property
    def stages(self) -> tuple[str, ...]:
        """The stages from the client's first wait on."""
        return (SEND_WAIT, *sorted(self.places, key=lambda stage: (self.places[stage].order, stage)))

    def holds(self, stage: str, role: str) -> bool:
        """Whether the time of a stage in this role is part of a request's latency."""
        place = self.places.get(stage)
        return place is not None and role not in place.host_roles

    def outer(self, inner: StageRole) -> StageRole | None:
        """The stage that contains ``inner``, if one does."""
        place = self.places.get(inner.stage)
        return place.within.get(inner.role) if place is not None else None

    @property
    def version(self) -> str:
        """Equal for equal paths."""
        return "\n".join(f"{stage} {place.model_dump_json()}" for stage, place in sorted(self.places.items()))
