"""What a campaign's page offers to keep: the signed bundle with its key, and the times of each cell as HDR logs."""

from typing import Any

from coordinator.api.bundles import own_key
from coordinator.api.histograms import name_of
from coordinator.bundle.keys import KeyUnusable
from coordinator.scheduling.lifecycle import CampaignState
from domain.campaigns.campaign import Cell
from domain.reports.report import CampaignReport


def evidence_of(report: CampaignReport) -> dict[str, Any]:
    """``key`` is empty without a bundle; ``logs`` has by workload and level each datapath, and the cell's name."""
    logs: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for one in report.results:
        if one.latency_us is not None or one.service_time_us is not None:
            cell = Cell(datapath=one.datapath, workload=one.workload, level=one.level)
            logs.setdefault((one.workload, one.level), []).append((one.datapath, name_of(cell)))
    return {"key": _key() if CampaignState(report.campaign["state"]).ended else "", "logs": logs}


def _key() -> str:
    try:
        return own_key().public.text
    except KeyUnusable:
        return ""
