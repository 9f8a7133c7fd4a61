"""What a campaign has come to, told to InfluxDB after each block: progress, verdicts, and an annotation at its end.

The coordinator knows it and only reads InfluxDB; its worker hosts have the way into it, with queue and spool.
"""

import logging
import time
from collections.abc import Callable, Sequence

import httpx
from pydantic import ValidationError

from domain.campaign_points import campaign_progress_point, verdict_point
from domain.jobs import BlockJob
from domain.report import Verdict
from domain.sample import campaign_event_point
from workers.agent.api_client import Coordinator, Refused
from workers.runner.trial_run import Telemetry

log = logging.getLogger(__name__)


def announce(
    job: BlockJob, coordinator: Coordinator, telemetry: Telemetry, clock: Callable[[], int] = time.time_ns
) -> None:
    """Tell the campaign's standing. A coordinator that does not answer leaves a gap in the charts, and no more."""
    try:
        standing = coordinator.campaign_progress(job.campaign_id)
    except (Refused, httpx.HTTPError, ValidationError) as error:
        log.warning("campaign %s: its standing is not known: %s", job.campaign_id, error)
        return
    campaign, now_ns = job.campaign_id, clock()
    ended, failed, planned = standing.blocks_ended, standing.blocks_failed, standing.blocks_planned
    telemetry.put(campaign_progress_point(campaign, ended, failed, planned, now_ns))
    for verdict in standing.verdicts:
        telemetry.put(verdict_point(campaign, verdict, now_ns))
    if standing.ended and standing.verdicts:
        text = " ".join(verdict.sentence for verdict in _primary(standing.verdicts))
        host = job.block.host
        telemetry.put(campaign_event_point(campaign, host, "verdicts", text, now_ns, kind="verdict"))


def _primary(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Those by the first metric of their workload and level."""
    metrics = {(v.workload, v.level): v.metric for v in reversed(verdicts)}
    return [v for v in verdicts if metrics[v.workload, v.level] is v.metric]
