"""A campaign's progress in InfluxDB: a point, verdicts and costs after each block, and an annotation at the end.

The coordinator knows the progress, but only reads from InfluxDB. Worker hosts write to it, through queue and spool.
"""

import logging
import time
from collections.abc import Callable, Sequence

import httpx
from pydantic import ValidationError

from domain.reports.campaign_points import campaign_event_point, campaign_progress_point, cost_point, verdict_point
from domain.reports.report import Family, Verdict
from domain.service.jobs import BlockJob
from workers.agent.api_client import Coordinator, Refused
from workers.runner.trial_run import Telemetry

log = logging.getLogger(__name__)


def announce(
    job: BlockJob, coordinator: Coordinator, telemetry: Telemetry, clock: Callable[[], int] = time.time_ns
) -> None:
    """Write the campaign's progress. If the coordinator does not answer, the charts have a gap."""
    try:
        progress = coordinator.campaign_progress(job.campaign_id)
    except (Refused, httpx.HTTPError, ValidationError) as error:
        log.warning("campaign %s: its progress is not known: %s", job.campaign_id, error)
        return
    campaign, now_ns = job.campaign_id, clock()
    ended, failed, planned = progress.blocks_ended, progress.blocks_failed, progress.blocks_planned
    point = campaign_progress_point(
        campaign, ended, failed, planned, now_ns, name=job.campaign_name, started_at=job.campaign_started_at
    )
    telemetry.put(point)
    for verdict in progress.verdicts:
        telemetry.put(verdict_point(campaign, verdict, now_ns))
    for cost in progress.costs:
        telemetry.put(cost_point(campaign, cost, now_ns))
    if progress.ended and progress.verdicts:
        text = " ".join(verdict.sentence for verdict in _primary(progress.verdicts))
        event = campaign_event_point(campaign, job.block.host, "verdicts", text, now_ns, kind="verdict")
        telemetry.put(event)


def _primary(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The primary verdicts; without any, those on the first metric of each workload and level."""
    if judged := [v for v in verdicts if v.family is Family.PRIMARY]:
        return judged
    metrics = {(v.workload, v.level): v.metric for v in reversed(verdicts)}
    return [v for v in verdicts if metrics[v.workload, v.level] is v.metric]
