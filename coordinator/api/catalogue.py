"""What a campaign can use: the datapaths, workloads, probes and hosts that registered hosts reported."""

from collections.abc import Mapping
from typing import Any

from apiflask import APIBlueprint
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from coordinator.scheduling.admission import variants
from coordinator.services import services
from coordinator.store.hosts.enrolments import enrolments
from coordinator.store.hosts.vitals import deaf_since
from coordinator.store.lifecycle.submission import is_online, known_hosts
from coordinator.store.rows.json_text import Unreadable
from coordinator.store.rows.models import HostRow
from coordinator.store.rows.quarantine import readable
from coordinator.store.rows.times import iso
from domain.loads.workload import Parameter
from domain.service.jobs import HostCapabilities
from domain.service.vitals import DroppedMessages, HostVitals, clock_words, remedy

blueprint = APIBlueprint("catalogue", __name__, tag="Catalogue")


class VariantOnHosts(BaseModel):
    """A datapath, workload or probe, and where it runs."""

    name: str
    summary: str
    function: str | None = Field(default=None, description="Datapaths only.")
    level_kinds: list[str] = Field(default=[], description="Workloads only.")
    protocols: list[str] = Field(default=[], description="tcp, udp: what a datapath carries, or what a workload uses.")
    tracking: str = Field(
        default="", description="Datapaths only: whether connections are tracked in the DUT: always, when asked, never."
    )
    parameters: list[Parameter] = Field(
        default=[], description="Workloads only: the parameters of a campaign, with unit, default and limits."
    )
    stage: str | None = Field(default=None, description="Probes only.")
    available: bool = Field(description="True when an online host can run it.")
    hosts: dict[str, list[str]] = Field(description="By host: why it cannot run there; empty when it can.")


class HostView(BaseModel):
    """A worker host."""

    name: str
    online: bool
    deaf_since: str | None = Field(
        default=None, description="Since when the host, though online, takes no messages; null when it takes them."
    )
    remedy: str = Field(default="", description="What to do about a deaf host.")
    clock_skew_s: float | None = Field(
        default=None, description="How far the host's clock is ahead of the coordinator's; nothing depends on it."
    )
    dropped: DroppedMessages | None = Field(
        default=None, description="Messages that the host's worker dropped since its start."
    )
    load_1m: float | None = Field(default=None, description="The host's load average of one minute, as last reported.")
    stolen: float | None = Field(
        default=None, description="Share of CPU time that the hypervisor took, in the 30 s before the last report."
    )
    registered_at: str
    seen_at: str
    drained_at: str | None = Field(default=None, description="Since when it takes no new blocks; null: it takes them.")
    capabilities: HostCapabilities

    @property
    def state(self) -> str:
        """Online, offline, deaf or drained."""
        if self.deaf_since or not self.online:
            return "deaf" if self.deaf_since else "offline"
        return "drained" if self.drained_at else "online"

    @property
    def clock(self) -> str:
        """How the host's clock differs from the coordinator's; empty if unknown."""
        return clock_words(self.clock_skew_s) if self.clock_skew_s is not None else ""


class DatapathList(BaseModel):
    """All datapaths."""

    datapaths: list[VariantOnHosts]


class WorkloadList(BaseModel):
    """All workloads."""

    workloads: list[VariantOnHosts]


class ProbeList(BaseModel):
    """All probes."""

    probes: list[VariantOnHosts]


class EnrolmentView(BaseModel):
    """A host's token, and whether the coordinator works with the host's worker."""

    host: str
    enrolled_at: str
    revoked_at: str | None
    protocol: str = Field(description="Of its worker; empty before its first greeting.")
    refusal: str = Field(description="Why its worker was refused last; empty if it was not.")
    refused_at: str | None


class HostList(BaseModel):
    """All hosts."""

    hosts: list[HostView]
    enrolments: list[EnrolmentView] = Field(default=[], description="Hosts with a token, registered or not.")


def variant_list(session: Session, family: str, now: float) -> list[VariantOnHosts]:
    """Every variant of ``datapaths``, ``workloads`` or ``probes`` that any host knows, by name."""
    found: dict[str, VariantOnHosts] = {}
    for host in known_hosts(session, now):
        for variant in variants(host.capabilities, family):
            entry = found.setdefault(
                variant.name,
                VariantOnHosts(
                    name=variant.name,
                    summary=variant.summary,
                    function=variant.function,
                    level_kinds=list(variant.level_kinds),
                    protocols=list(variant.protocols),
                    tracking=variant.tracking,
                    parameters=list(variant.parameters),
                    stage=variant.stage,
                    available=False,
                    hosts={},
                ),
            )
            entry.hosts[host.name] = list(variant.missing)
            entry.available |= variant.available and host.online
    return [found[name] for name in sorted(found)]


def host_list(session: Session, now: float) -> list[HostView]:
    """Every registered host, by name."""
    return [
        HostView(
            name=row.name,
            online=is_online(row, now),
            deaf_since=iso(deaf_since(row, now)),
            remedy=remedy(row.name, _vitals(row)) if deaf_since(row, now) is not None else "",
            clock_skew_s=round(row.clock_skew_s, 1) if row.clock_skew_s is not None else None,
            dropped=vitals.dropped if (vitals := _vitals(row)) is not None else None,
            load_1m=vitals.load_1m if vitals is not None else None,
            stolen=vitals.stolen if vitals is not None else None,
            registered_at=iso(row.registered_at) or "",
            seen_at=iso(row.seen_at) or "",
            drained_at=iso(row.drained_at),
            capabilities=capabilities,
        )
        for row, capabilities in readable(session.scalars(select(HostRow).order_by(HostRow.name)), "capabilities")
    ]


def _vitals(row: HostRow) -> HostVitals | None:
    try:
        return row.vitals
    except Unreadable:  # its next report replaces them
        return None


def enrolment_list(session: Session) -> list[EnrolmentView]:
    """Every host that was ever enrolled and not removed, by name."""
    return [
        EnrolmentView(
            host=row.host,
            enrolled_at=iso(row.enrolled_at) or "",
            revoked_at=iso(row.revoked_at),
            protocol=row.protocol,
            refusal=row.refusal,
            refused_at=iso(row.refused_at),
        )
        for row in enrolments(session)
    ]


def _variants(family: str) -> Mapping[str, Any]:
    with services().store.read() as session:
        return {family: variant_list(session, family, services().clock())}


@blueprint.get("/datapaths")
@blueprint.output(DatapathList)
def list_datapaths() -> Mapping[str, Any]:
    """Datapaths, their function, and the hosts that can run them."""
    return _variants("datapaths")


@blueprint.get("/workloads")
@blueprint.output(WorkloadList)
def list_workloads() -> Mapping[str, Any]:
    """Workloads, their kinds of load, and the parameters that a campaign may set."""
    return _variants("workloads")


@blueprint.get("/probes")
@blueprint.output(ProbeList)
def list_probes() -> Mapping[str, Any]:
    """Probes and the kernel stages they measure."""
    return _variants("probes")


@blueprint.get("/hosts")
@blueprint.output(HostList)
def list_hosts() -> Mapping[str, Any]:
    """Hosts with their capabilities; each "no" has its reason."""
    with services().store.read() as session:
        return {"hosts": host_list(session, services().clock()), "enrolments": enrolment_list(session)}
