"""The path of a request, as the registered hosts' probes declare it."""

from collections.abc import Iterable

from sqlalchemy.orm import Session

from coordinator.analysis.kernel.path import StagePath
from coordinator.store.capabilities.host_versions import all_capabilities
from domain.service.jobs import HostCapabilities


def stage_path(session: Session, hosts: Iterable[str] = ()) -> StagePath:
    """The path on ``hosts``; the other hosts add the stages that none of these declares."""
    first, known = frozenset(hosts), all_capabilities(session)
    in_order = (known[name] for name in sorted(known, key=lambda name: name not in first))
    distinct = {id(one.probes): one for one in reversed(list(in_order))}  # like hosts share what they declare
    return StagePath.of(reversed(distinct.values()))


def with_kept_places(reported: HostCapabilities, before: HostCapabilities | None) -> HostCapabilities:
    """What a host reported; a worker that is too old to declare places keeps those that were known ``before``."""
    if before is None or any(probe.place for probe in reported.probes):
        return reported
    known = {probe.name: probe.place for probe in before.probes}
    kept = tuple(probe.model_copy(update={"place": known.get(probe.name)}) for probe in reported.probes)
    return reported.model_copy(update={"probes": kept})
