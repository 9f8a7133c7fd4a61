"""Made-up trials that probes watched, and reports of them."""

from collections.abc import Mapping, Sequence

import probes.catalog
from coordinator.analysis.kernel.path import StagePath
from coordinator.analysis.kernel.stage_table import parts_us
from coordinator.analysis.reports.report import build_report
from coordinator.analysis.trials.digest import trial_digest
from coordinator.scheduling.records import AttemptRecord
from domain.campaigns.campaign import Campaign, read_campaign
from domain.hosts.cpu_time import CpuTime
from domain.probes.watched import StageRole
from domain.reports.explanation import StagePart
from domain.reports.report import CampaignReport
from domain.trials.histogram import LatencyHistogram
from domain.trials.trial import BlockResult, Finding, ProbeReading, Reason, SliceResult, TrialResult, Validity
from domain.values.registry import discover
from probes.base import Probe

REQUESTS = 1000
PATH = StagePath({one.stage: one.place for one in discover(probes.catalog, Probe).values() if one.place})
Readings = tuple[ProbeReading, ...]


def a_campaign(*datapaths: str) -> Campaign:
    return read_campaign(
        {
            "name": "t",
            "datapaths": [label.partition("#")[0] for label in datapaths],
            "levels": {"low": "closed(8)"},
            "probes": ["run_queue"],
            "seed": 7,
        }
    )


def reading(stage: str, role: str, us: float, per_request: float = 1.0, **more: object) -> ProbeReading:
    """One in ten was measured."""
    count = round(per_request * REQUESTS / 10)
    events = per_request * REQUESTS
    fields = {"stage": stage, "role": role, "count": count, "sum_ns": round(us * 1000) * count, "events": events}
    return ProbeReading.model_validate({"matched": 1.0, **fields, **more})


def a_trial(
    label: str,
    mean_us: float,
    probes: Readings,
    *,
    valid: bool = True,
    noise: Mapping[str, float] | None = None,
    **more: object,
) -> TrialResult:
    """``noise`` is what the host did in the watched slice."""
    counted = SliceResult(started_s=0, duration_s=1, requests=5 * REQUESTS, connections=8, bytes_received=1)
    watched = counted.model_copy(update={"started_s": 1, "probed": True, "requests": REQUESTS, **(noise or {})})
    found = () if valid else (Finding(reason=Reason.BYPASSED, detail="x"),)
    return TrialResult.model_validate(
        {
            "datapath": label,
            "function": "steer",
            "workload": "http_keepalive",
            "level": "low",
            "slices": (counted, watched),
            "duration_s": 1.0,
            "cpu": CpuTime(wall_s=1, cpus=2, idle_s=1),
            "requests": 5 * REQUESTS,
            "validity": Validity(findings=found),
            "probes": probes,
            "watched_latency": LatencyHistogram.of({round(mean_us * 1000): REQUESTS}),
            **more,
        }
    )


def reported(*blocks: Sequence[TrialResult], path: StagePath = PATH) -> CampaignReport:
    """The report of a campaign with these blocks; its datapaths are those of the first one."""
    attempts = [
        AttemptRecord(
            index,
            f"k3f9x2ab-{index}",
            "http_keepalive",
            "low",
            1,
            "one",
            "done",
            "",
            True,
            BlockResult(host="one", trials=tuple(trials), wall_s=1),
        )
        for index, trials in enumerate(blocks)
    ]
    return build_report(a_campaign(*(trial.datapath for trial in blocks[0])), {"id": "k3f9x2ab"}, attempts, path)


def parts_of(trial: TrialResult) -> dict[StageRole, float]:
    """The stages of one trial, in µs per request."""
    return parts_us(trial_digest(trial), PATH)


DIRECT: Readings = (reading("device_hop", "server", 3.0, 2.0), reading("run_queue", "origin", 10.0))
TPROXY: Readings = (
    reading("device_hop", "server", 3.0, 2.0),
    reading("run_queue", "origin", 10.0),
    reading("run_queue", "proxy", 60.0, 2.0),
    reading("socket_wait", "dut", 70.0, 2.0),
    reading("proxy_residence", "to_origin", 250.0),
)


def by_stage(parts: tuple[StagePart, ...]) -> dict[tuple[str, str], float]:
    return {(part.stage, part.role): part.us for part in parts}
