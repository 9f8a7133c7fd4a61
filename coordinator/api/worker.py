"""The API of worker hosts, with a separate token; the bodies are the types of :mod:`domain.jobs`."""

from apiflask import APIBlueprint
from flask import Response
from werkzeug.exceptions import NotFound

from coordinator import ticker
from coordinator.api.campaigns import report_of
from coordinator.api.codec import error_response
from coordinator.services import services
from coordinator.store import views, work
from coordinator.store.matrices import store_matrix
from domain.jobs import BlockJob, CampaignProgress, Claim, Heartbeat, HeartbeatAnswer, HostCapabilities, Report
from domain.problems import InvalidInput, Problem
from domain.traits import TraitMatrix

blueprint = APIBlueprint("worker", __name__, tag="Worker")

_ATTEMPT = "/blocks/<block_id>/attempts/<int:number>"
_REFUSED = {409: "Refused: already claimed, expired, cancelled, or assigned to another host"}


@blueprint.errorhandler(work.Refused)
def _refused(error: work.Refused) -> Response:
    return error_response(409, str(error))


@blueprint.put("/hosts/<host>")
@blueprint.input(HostCapabilities, arg_name="capabilities")
@blueprint.doc(responses={204: "Registered"})
def put_host(host: str, capabilities: HostCapabilities) -> tuple[str, int]:
    """Register a host, or confirm that it is still available."""
    if capabilities.host != host:
        raise InvalidInput([Problem(field="host", message=f"is {capabilities.host!r}, but the URL names {host!r}")])
    known = services()
    with known.store.write() as session:
        work.register_host(session, capabilities, known.clock())
    ticker.dispatch_waiting(known.store, known.dispatcher, known.clock())
    return "", 204


@blueprint.put("/hosts/<host>/matrix")
@blueprint.input(TraitMatrix, arg_name="matrix")
@blueprint.doc(responses={204: "Stored, unless a newer one is known", 404: "The host has not registered"})
def put_matrix(host: str, matrix: TraitMatrix) -> tuple[str, int]:
    """Report the trait matrix of a host's datapaths."""
    if matrix.host != host:
        raise InvalidInput([Problem(field="host", message=f"is {matrix.host!r}, but the URL names {host!r}")])
    with services().store.write() as session:
        if not store_matrix(session, matrix):
            raise NotFound(f"there is no host {host!r}")
    return "", 204


@blueprint.post(f"{_ATTEMPT}/claim")
@blueprint.input(Claim, arg_name="wanted")
@blueprint.output(BlockJob)
@blueprint.doc(responses=_REFUSED)
def claim(block_id: str, number: int, wanted: Claim) -> BlockJob:
    """Claim an attempt; exactly one of several claims succeeds."""
    known = services()
    with known.store.write() as session:
        return work.claim(session, block_id, number, wanted.host, known.clock())


@blueprint.post(f"{_ATTEMPT}/heartbeat")
@blueprint.input(Heartbeat, arg_name="beat")
@blueprint.output(HeartbeatAnswer)
@blueprint.doc(responses=_REFUSED)
def heartbeat(block_id: str, number: int, beat: Heartbeat) -> HeartbeatAnswer:
    """Renew the lease, report the progress, and learn whether to stop."""
    known = services()
    with known.store.write() as session:
        return work.heartbeat(session, block_id, number, beat, known.clock())


@blueprint.put(f"{_ATTEMPT}/report")
@blueprint.input(Report, arg_name="attempt_report")
@blueprint.doc(responses={204: "Accepted, now or earlier", **_REFUSED})
def report(block_id: str, number: int, attempt_report: Report) -> tuple[str, int]:
    """Report the end of an attempt; the host gets its next block at once."""
    known = services()
    with known.store.write() as session:
        freed = work.report(session, block_id, number, attempt_report, known.clock())
    if freed is not None:
        ticker.dispatch_waiting(known.store, known.dispatcher, known.clock())
    return "", 204


@blueprint.get("/campaigns/<campaign_id>/progress")
@blueprint.output(CampaignProgress)
@blueprint.doc(responses={404: "Not found"})
def campaign_progress(campaign_id: str) -> CampaignProgress:
    """A campaign's present progress, and its verdicts if enough blocks have ended since the last ones."""
    with services().store.read() as session:
        summary = views.campaign_summary(session, campaign_id)
    if summary is None:
        raise NotFound(f"there is no campaign {campaign_id[:40]!r}")
    blocks, ended = summary.blocks_done + summary.blocks_failed, summary.state.ended
    wanted = ended or services().announced.is_due(campaign_id, blocks)
    return CampaignProgress(
        blocks_ended=blocks,
        blocks_failed=summary.blocks_failed,
        blocks_planned=summary.blocks_total,
        ended=ended,
        verdicts=report_of(campaign_id).verdicts if wanted else (),
    )
