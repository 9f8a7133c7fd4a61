"""What worker hosts call, with their own token; the bodies are :mod:`domain.jobs`' types."""

from apiflask import APIBlueprint
from flask import Response
from werkzeug.exceptions import NotFound

from coordinator import ticker
from coordinator.api.campaigns import report_of
from coordinator.api.codec import error_response
from coordinator.scheduling.lifecycle import CampaignState
from coordinator.services import services
from coordinator.store import work
from coordinator.store.matrices import keep_matrix
from domain.jobs import BlockJob, CampaignProgress, Claim, Heartbeat, HeartbeatAnswer, HostCapabilities, Report
from domain.problems import InvalidInput, Problem
from domain.traits import TraitMatrix

blueprint = APIBlueprint("worker", __name__, tag="Worker")

_ATTEMPT = "/blocks/<block_id>/attempts/<int:number>"
_REFUSED = {409: "Refused: claimed already, expired, cancelled, or another host's"}


@blueprint.errorhandler(work.Refused)
def _refused(error: work.Refused) -> Response:
    return error_response(409, str(error))


@blueprint.put("/hosts/<host>")
@blueprint.input(HostCapabilities, arg_name="capabilities")
@blueprint.doc(responses={204: "Registered"})
def put_host(host: str, capabilities: HostCapabilities) -> tuple[str, int]:
    """Register a host, or say that it is still there."""
    if capabilities.host != host:
        raise InvalidInput([Problem(field="host", message=f"is {capabilities.host!r}, the address says {host!r}")])
    known = services()
    with known.store.write() as session:
        work.register_host(session, capabilities, known.clock())
    ticker.dispatch_waiting(known.store, known.dispatcher, known.clock())
    return "", 204


@blueprint.put("/hosts/<host>/matrix")
@blueprint.input(TraitMatrix, arg_name="matrix")
@blueprint.doc(responses={204: "Kept, unless a newer one was told", 404: "The host has not registered"})
def put_matrix(host: str, matrix: TraitMatrix) -> tuple[str, int]:
    """Tell what a host's tests found that its datapaths keep and carry."""
    if matrix.host != host:
        raise InvalidInput([Problem(field="host", message=f"is {matrix.host!r}, the address says {host!r}")])
    with services().store.write() as session:
        if not keep_matrix(session, matrix):
            raise NotFound(f"no host {host!r} has registered")
    return "", 204


@blueprint.post(f"{_ATTEMPT}/claim")
@blueprint.input(Claim, arg_name="asked")
@blueprint.output(BlockJob)
@blueprint.doc(responses=_REFUSED)
def claim(block_id: str, number: int, asked: Claim) -> BlockJob:
    """Claim an attempt; of several claims exactly one gets it."""
    known = services()
    with known.store.write() as session:
        return work.claim(session, block_id, number, asked.host, known.clock())


@blueprint.post(f"{_ATTEMPT}/heartbeat")
@blueprint.input(Heartbeat, arg_name="beat")
@blueprint.output(HeartbeatAnswer)
@blueprint.doc(responses=_REFUSED)
def heartbeat(block_id: str, number: int, beat: Heartbeat) -> HeartbeatAnswer:
    """Renew the lease, tell the progress, and learn whether to stop."""
    known = services()
    with known.store.write() as session:
        return work.heartbeat(session, block_id, number, beat, known.clock())


@blueprint.put(f"{_ATTEMPT}/report")
@blueprint.input(Report, arg_name="told")
@blueprint.doc(responses={204: "Accepted, now or earlier", **_REFUSED})
def report(block_id: str, number: int, told: Report) -> tuple[str, int]:
    """Report how an attempt ended; the host's next block follows at once."""
    known = services()
    with known.store.write() as session:
        freed = work.report(session, block_id, number, told, known.clock())
    if freed is not None:
        ticker.dispatch_waiting(known.store, known.dispatcher, known.clock())
    return "", 204


@blueprint.get("/campaigns/<campaign_id>/progress")
@blueprint.output(CampaignProgress)
@blueprint.doc(responses={404: "Not found"})
def campaign_progress(campaign_id: str) -> CampaignProgress:
    """What a campaign comes to as of now."""
    found = report_of(campaign_id)
    view = found.campaign
    return CampaignProgress(
        blocks_ended=view["blocks_done"] + view["blocks_failed"],
        blocks_failed=view["blocks_failed"],
        blocks_planned=view["blocks_total"],
        ended=CampaignState(view["state"]).ended,
        verdicts=found.verdicts,
    )
