"""The messages between coordinator and worker hosts: block offers, claims, reports, capabilities."""

from enum import StrEnum
from typing import Any

from pydantic import Field

from domain.block import Block
from domain.frozen import Frozen
from domain.names import CampaignName, HostName, Name
from domain.place import Place
from domain.report import Verdict
from domain.trial import BlockResult
from domain.workload import Parameter

RUN_BLOCK_TASK = "showdown.run_block"
HEARTBEAT_S = 2.0  # a worker reports progress this often …
LEASE_S = 20.0  # … and counts as dead after this long without a heartbeat


def queue_name(host: str) -> str:
    """The Celery queue of one host."""
    return f"host.{host}"


class BlockMessage(Frozen):
    """The Celery message: which attempt of which block to claim. The answer to the claim has the rest."""

    block_id: str = Field(max_length=64)
    attempt: int = Field(ge=1)


class Claim(Frozen):
    """A worker asks for an attempt. The coordinator refuses a duplicate claim with 409."""

    host: HostName


class BlockJob(Frozen):
    """The answer to a claim: everything that a worker needs, and the lease that its reports must name."""

    campaign_id: str
    campaign_name: CampaignName
    block_id: str
    attempt: int = Field(ge=1)
    lease: str
    block: Block
    slice_s: float
    warm_up_s: float
    probes: tuple[Name, ...]


class Phase(StrEnum):
    """The present phase of a running block."""

    PREPARE = "prepare"
    WARM_UP = "warm_up"
    SLICES = "slices"
    FINISH = "finish"


class Heartbeat(Frozen):
    """A worker is alive: it renews the lease and reports its progress."""

    lease: str
    phase: Phase
    datapath: str = ""
    slices_done: int = Field(default=0, ge=0)


class HeartbeatAnswer(Frozen):
    """Whether the worker may continue."""

    cancel: bool


class Report(Frozen):
    """How an attempt ended: exactly one of ``result`` and ``failure``. Idempotent by (block, attempt, lease)."""

    lease: str
    result: BlockResult | None = None
    failure: str = Field(default="", max_length=2000)
    cancelled: bool = False


class CampaignProgress(Frozen):
    """A campaign's present progress in blocks and verdicts; worker hosts forward it to InfluxDB."""

    blocks_ended: int = Field(ge=0, description="Including failed ones.")
    blocks_failed: int = Field(ge=0)
    blocks_planned: int = Field(ge=0)
    ended: bool = Field(description="True when the campaign has ended.")
    verdicts: tuple[Verdict, ...] = Field(
        description="Primary ones first; none if less than 5 % of its blocks have ended since the last ones."
    )


class Variant(Frozen):
    """One datapath, workload or probe on one host: what it is, and why it cannot run there."""

    name: Name
    summary: str = ""
    missing: tuple[str, ...] = Field(default=(), description="Why it cannot run; empty when it can.")
    function: Name | None = Field(default=None, description="Datapaths only.")
    level_kinds: tuple[str, ...] = Field(default=(), description="Workloads only: closed, open.")
    protocols: tuple[Name, ...] = Field(
        default=(), description="tcp, udp: the protocols that a datapath carries, or the one that a workload uses."
    )
    ip_versions: tuple[int, ...] = Field(default=(4,), description="Datapaths only: 4, 6, or both.")
    parameters: tuple[Parameter, ...] = Field(default=(), description="Workloads only: what a campaign may set.")
    open_rates_per_s: tuple[int, ...] = Field(
        default=(), description="Workloads only: the allowed rates of open loads; empty when any rate is allowed."
    )
    open_arrivals: tuple[str, ...] = Field(
        default=(), description="Workloads only: the allowed arrivals of open loads; empty when any is allowed."
    )
    tracking: str = Field(
        default="",
        max_length=16,
        description="Datapaths only: whether the DUT tracks connections: always, when asked, or never.",
    )
    one_client: str = Field(
        default="",
        max_length=200,
        description="Why this datapath or workload allows one client only; empty when it allows several.",
    )
    stage: Name | None = Field(default=None, description="Probes only.")
    place: Place | None = Field(
        default=None, description="Probes only: where the stage is on a request's path; null beside it."
    )

    @property
    def available(self) -> bool:
        """True when nothing is missing."""
        return not self.missing


class Feature(Frozen):
    """One thing a kernel or machine has or lacks."""

    name: str
    present: bool
    reason: str = ""
    remedy: str = ""


class HostCapabilities(Frozen):
    """What a worker host can run. A worker sends it at its start; each "no" has its reason."""

    host: HostName
    datapaths: tuple[Variant, ...] = ()
    workloads: tuple[Variant, ...] = ()
    probes: tuple[Variant, ...] = ()
    features: tuple[Feature, ...] = ()
    fingerprint: dict[str, str] = Field(default_factory=dict)

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
