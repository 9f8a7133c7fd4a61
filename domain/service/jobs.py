"""The messages between coordinator and worker hosts: block offers, claims, reports, capabilities."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, field_serializer

from domain.hosts.host_identity import HostIdentity
from domain.hosts.protocol import PROTOCOL
from domain.loads.workload import Parameter
from domain.probes.place import Place
from domain.reports.campaign_points import listed_as
from domain.reports.costs import MAX_COSTS, Cost
from domain.reports.report import Verdict
from domain.trials.block import Block
from domain.trials.trial import BlockResult
from domain.values.bounds import (
    MAX_NAMES,
    MAX_VARIANTS,
    PRINTABLE,
    Count,
    Fingerprint,
    Index,
    Line,
    Paragraph,
    Seconds,
    When,
    Word,
    text,
)
from domain.values.frozen import Frozen
from domain.values.names import BlockId, CampaignId, CampaignName, HostName, LeaseToken, Name

RUN_BLOCK_TASK = "showdown.run_block"
HEARTBEAT_S = 2.0  # a worker reports progress this often …
MAX_VERDICTS = 50_000  # of one campaign
LEASE_S = 20.0  # … and counts as dead after this long without a heartbeat
MOST_ATTEMPTS = 1000  # far above what a block gets; a number on the wire is bounded


def queue_name(host: str) -> str:
    """The Celery queue of one host."""
    return f"host.{host}"


class BlockMessage(Frozen):
    """The Celery message: which attempt of which block to claim. The answer to the claim has the rest."""

    block_id: BlockId
    attempt: int = Field(ge=1, le=MOST_ATTEMPTS)


class Claim(Frozen):
    """A worker asks for an attempt. The coordinator refuses a duplicate claim with 409."""

    host: HostName
    machine: Word = Field(default="", description="The id of its machine; empty if unknown.")


class BlockJob(Frozen):
    """The answer to a claim: everything that a worker needs, and the lease that its reports must name."""

    campaign_id: CampaignId
    campaign_name: CampaignName
    campaign_started_at: When | None = Field(
        default=None,
        description="By the coordinator's clock, to name the campaign in charts; a worker compares nothing with it.",
    )
    block_id: BlockId
    attempt: int = Field(ge=1, le=MOST_ATTEMPTS)
    lease: LeaseToken
    block: Block
    slice_s: Seconds
    warm_up_s: Seconds
    probes: tuple[Name, ...] = Field(max_length=MAX_NAMES)

    @property
    def listed_as(self) -> str:
        """The campaign in lists of charts; empty if an earlier coordinator does not say when it started."""
        return listed_as(self.campaign_id, self.campaign_name, self.campaign_started_at)


class Phase(StrEnum):
    """The present phase of a running block."""

    PREPARE = "prepare"
    WARM_UP = "warm_up"
    SLICES = "slices"
    FINISH = "finish"


class Heartbeat(Frozen):
    """A worker is alive: it renews the lease and reports its progress."""

    lease: LeaseToken
    phase: Phase
    datapath: Word = ""
    slices_done: Index = 0


class HeartbeatAnswer(Frozen):
    """Whether the worker may continue."""

    cancel: bool


class Report(Frozen):
    """How an attempt ended: exactly one of ``result`` and ``failure``. Idempotent by (block, attempt, lease)."""

    lease: LeaseToken
    result: BlockResult | None = None
    failure: Annotated[str, text(2_000), PRINTABLE] = ""
    cancelled: bool = False
    protocol: Annotated[str, text(16)] = Field(
        default=str(PROTOCOL), description="Its writer's, which may be older than its sender's."
    )


class CampaignProgress(Frozen):
    """A campaign's present progress in blocks and verdicts; worker hosts forward it to InfluxDB."""

    blocks_ended: Index = Field(description="Including failed ones.")
    blocks_failed: Index
    blocks_planned: Index
    ended: bool = Field(description="True when the campaign has ended.")
    verdicts: tuple[Verdict, ...] = Field(
        max_length=MAX_VERDICTS,
        description="Primary ones first; none if less than 5 % of its blocks have ended since the last ones.",
    )
    costs: tuple[Cost, ...] = Field(
        default=(),
        max_length=MAX_COSTS,
        description="Prices, costs of conditions and tolerated attacks, whenever there are verdicts.",
    )

    @field_serializer("verdicts", when_used="json")
    def _words_of_protocol_2(self, verdicts: tuple[Verdict, ...]) -> list[dict[str, Any]]:
        return [one.model_dump(mode="json") | {"verdict": one.verdict.of_protocol_2} for one in verdicts]


class Variant(Frozen):
    """One datapath, workload or probe on one host: what it is, and why it cannot run there."""

    name: Name
    summary: Line = ""
    missing: tuple[Paragraph, ...] = Field(
        default=(), max_length=MAX_NAMES, description="Why it cannot run; empty when it can."
    )
    function: Name | None = Field(default=None, description="Datapaths only.")
    level_kinds: tuple[Word, ...] = Field(default=(), max_length=MAX_NAMES, description="Workloads only: closed, open.")
    protocols: tuple[Name, ...] = Field(
        default=(),
        max_length=MAX_NAMES,
        description="tcp, udp: the protocols that a datapath carries, or the one that a workload uses.",
    )
    services: tuple[Name, ...] = Field(
        default=(),
        max_length=MAX_NAMES,
        description="The only protocols above TCP that a datapath carries, if not all; the one of a workload.",
    )
    ip_versions: tuple[Annotated[int, Field(ge=4, le=6)], ...] = Field(
        default=(4,), max_length=2, description="Datapaths only: 4, 6, or both."
    )
    parameters: tuple[Parameter, ...] = Field(
        default=(), max_length=MAX_NAMES, description="Workloads only: what a campaign may set."
    )
    open_rates_per_s: tuple[Count, ...] = Field(
        default=(),
        max_length=MAX_NAMES,
        description="Workloads only: the allowed rates of open loads; empty when any rate is allowed.",
    )
    open_arrivals: tuple[Word, ...] = Field(
        default=(),
        max_length=MAX_NAMES,
        description="Workloads only: the allowed arrivals of open loads; empty when any is allowed.",
    )
    tracking: Annotated[str, text(16)] = Field(
        default="",
        description="Datapaths only: whether the DUT tracks connections: always, when asked, or never.",
    )
    one_client: Annotated[str, text(200)] = Field(
        default="",
        description="Why this datapath or workload allows one client only; empty when it allows several.",
    )
    stage: Name | None = Field(default=None, description="Probes only.")
    place: Place | None = Field(
        default=None, description="Probes only: where the stage is on a request's path; null beside it."
    )

    def carries_service(self, workload: "Variant | None") -> bool:
        """Of a datapath: whether it carries the workload's protocol above TCP. Older workers state none of both."""
        return not self.services or workload is None or set(workload.services) <= set(self.services)

    @property
    def available(self) -> bool:
        """True when nothing is missing."""
        return not self.missing


class Feature(Frozen):
    """One thing a kernel or machine has or lacks."""

    name: Word
    present: bool
    reason: Paragraph = ""
    remedy: Paragraph = ""


class HostCapabilities(Frozen):
    """What a worker host can run. A worker sends it at its start; each "no" has its reason."""

    host: HostName
    datapaths: tuple[Variant, ...] = Field(default=(), max_length=MAX_VARIANTS)
    workloads: tuple[Variant, ...] = Field(default=(), max_length=MAX_VARIANTS)
    probes: tuple[Variant, ...] = Field(default=(), max_length=MAX_VARIANTS)
    features: tuple[Feature, ...] = Field(default=(), max_length=500)
    fingerprint: Fingerprint = Field(default={})
    identity: HostIdentity | None = Field(default=None, description="The machine; null from older workers.")

    def variant(self, family: str, name: str) -> Variant | None:
        """The variant ``name`` of ``datapaths``, ``workloads`` or ``probes``; ``None`` when unknown."""
        variants: Any = getattr(self, family)
        return next((v for v in variants if v.name == name), None)

    def lacking(self, *names: str) -> list[str]:
        """One sentence per feature of ``names`` that the host lacks; an unknown feature counts as absent."""
        known = {feature.name: feature for feature in self.features}
        sentences = []
        for name in names:
            feature = known.get(name)
            if feature is None:
                sentences.append(f"{name}: not known on this host.")
            elif not feature.present:
                sentences.append(" ".join(filter(None, [f"{name}: {feature.reason}", feature.remedy])))
                if name == "root":  # without root the others are unknown
                    break
        return sentences
