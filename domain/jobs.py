"""What coordinator and worker hosts say to each other: names, messages, claims, capabilities."""

from enum import StrEnum
from typing import Any

from pydantic import Field

from domain.frozen import Frozen
from domain.names import CampaignName, HostName, Name
from domain.place import Place
from domain.report import Verdict
from domain.trial import Block, BlockResult
from domain.workload import Parameter

RUN_BLOCK_TASK = "showdown.run_block"
HEARTBEAT_S = 2.0  # a worker reports progress this often …
LEASE_S = 20.0  # … and is taken for dead after this long without a word


def queue_name(host: str) -> str:
    """The Celery queue of one host."""
    return f"host.{host}"


class BlockMessage(Frozen):
    """The Celery message: which attempt of which block to claim. All else comes with the claim."""

    block_id: str = Field(max_length=64)
    attempt: int = Field(ge=1)


class Claim(Frozen):
    """A worker asks for an attempt. A duplicate claim is refused with 409."""

    host: HostName


class BlockJob(Frozen):
    """The answer to a claim: everything a worker needs, and the lease that its reports must name."""

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
    """Where a running block stands."""

    PREPARE = "prepare"
    WARM_UP = "warm_up"
    SLICES = "slices"
    FINISH = "finish"


class Heartbeat(Frozen):
    """A worker is alive: renews the lease and tells the progress."""

    lease: str
    phase: Phase
    datapath: str = ""
    slices_done: int = Field(default=0, ge=0)


class HeartbeatAnswer(Frozen):
    """Whether to go on."""

    cancel: bool


class Report(Frozen):
    """How an attempt ended: exactly one of ``result`` and ``failure``. Idempotent by (block, attempt, lease)."""

    lease: str
    result: BlockResult | None = None
    failure: str = Field(default="", max_length=2000)
    cancelled: bool = False


class CampaignProgress(Frozen):
    """What a campaign comes to as of now, in blocks and verdicts: worker hosts pass it on to InfluxDB."""

    blocks_ended: int = Field(ge=0, description="Those that failed included.")
    blocks_failed: int = Field(ge=0)
    blocks_planned: int = Field(ge=0)
    ended: bool = Field(description="Nothing more will happen.")
    verdicts: tuple[Verdict, ...] = Field(description="Of each workload and level the primary metric first.")


class Variant(Frozen):
    """One datapath, workload or probe on one host: what it is, and why it cannot run there, if so."""

    name: Name
    summary: str = ""
    missing: tuple[str, ...] = Field(default=(), description="Reasons; empty when it runs.")
    function: Name | None = Field(default=None, description="Datapaths only.")
    level_kinds: tuple[str, ...] = Field(default=(), description="Workloads only: closed, open.")
    protocols: tuple[Name, ...] = Field(
        default=(), description="tcp, udp: those that a datapath carries, or the one of a workload's packets."
    )
    ip_versions: tuple[int, ...] = Field(default=(4,), description="Datapaths only: 4, 6, or both.")
    parameters: tuple[Parameter, ...] = Field(default=(), description="Workloads only: what a campaign may choose.")
    open_rates_per_s: tuple[int, ...] = Field(
        default=(), description="Workloads only: the only rates of open loads; empty where any will do."
    )
    tracking: str = Field(
        default="",
        max_length=16,
        description="Datapaths only: whether connections are tracked in the DUT: always, when asked, or never.",
    )
    one_client: str = Field(
        default="",
        max_length=200,
        description="Why a lab of this datapath has, or this workload's generator takes, one client only; or empty.",
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
    """What a worker host can run. Sent when a worker starts; each "no" has its reason."""

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
        """One sentence per feature in ``names`` that the host has not; one that was never tried counts as absent."""
        known = {feature.name: feature for feature in self.features}
        sentences = []
        for name in names:
            feature = known.get(name)
            if feature is None:
                sentences.append(f"{name}: not known on this host.")
            elif not feature.present:
                sentences.append(" ".join(filter(None, [f"{name}: {feature.reason}", feature.remedy])))
                if name == "root":  # nothing else can be said without it
                    break
        return sentences
