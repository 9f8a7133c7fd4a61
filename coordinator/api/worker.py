"""The API of worker hosts, each with its own token; the bodies are the types of :mod:`domain.service.jobs`."""

from importlib.metadata import version

from apiflask import APIBlueprint
from flask import Response, jsonify
from sqlalchemy.orm import Session
from werkzeug.exceptions import Forbidden, NotFound

from coordinator import auth, ticker
from coordinator.api import wire
from coordinator.api.campaigns import report_of
from coordinator.api.codec import error_response
from coordinator.api.document import workers_document
from coordinator.api.refusals import no_campaign
from coordinator.services import services
from coordinator.store.campaigns import views
from coordinator.store.capabilities.matrices import store_matrix
from coordinator.store.hosts import enrolments
from coordinator.store.hosts.vitals import store_vitals
from coordinator.store.lifecycle import work
from domain.hosts.host_identity import Greeting, HostIdentity, Welcome
from domain.hosts.host_tokens import SelfEnrolment
from domain.reports.costs import costs_of
from domain.reports.report import CampaignReport
from domain.service.jobs import BlockJob, CampaignProgress, Claim, Heartbeat, HeartbeatAnswer, HostCapabilities, Report
from domain.service.vitals import HostVitals
from domain.trials.traits import TraitMatrix
from domain.values.problems import InvalidInput, Problem

blueprint = APIBlueprint("worker", __name__, tag="Worker")

wire.install(blueprint)

_ATTEMPT = "/blocks/<block_id>/attempts/<int:number>"
_NOT_THIS_HOST = {403: "The token belongs to another host", 409: "Another machine uses the name", 426: "Incompatible"}
_REFUSED = {409: "Refused: already claimed, expired, cancelled, or assigned to another host"}


@blueprint.errorhandler(work.Refused)
@blueprint.errorhandler(enrolments.AlreadyEnrolled)
def _refused(error: Exception) -> Response:
    return error_response(409, str(error))


def _require_own(host: str) -> None:
    if host != auth.worker_host():
        raise Forbidden(f"this token belongs to host {auth.worker_host()}, not to {host}")


def _refusal(session: Session, host: str, identity: HostIdentity | None, now: float) -> str:
    """Why this machine may not use the host's name; kept for the page of hosts. Empty if it may."""
    why = enrolments.refusal_of_machine(session, host, identity or HostIdentity(), now)
    enrolments.note_peer(session, host, now, protocol=str(wire.worker_protocol()), refusal=why)
    return why


@blueprint.get("/openapi.json")
@blueprint.doc(hide=True)
def get_document() -> Response:
    """The document of this API. It is no part of the public one: workers and coordinators agree by their protocol."""
    return jsonify(workers_document())


@blueprint.post("/hosts/<host>/enrolment")
@auth.for_enrolment
@wire.takes(blueprint, SelfEnrolment, "wanted")
@blueprint.doc(responses={204: "Enrolled, now or earlier with this token", 409: "The host has another token"})
def enrol(host: str, wanted: SelfEnrolment) -> tuple[str, int]:
    """Enrol a new host by the token for enrolment; the host draws its own token and sends the hash."""
    known = services()
    with known.store.write() as session:
        enrolments.enrol(session, host, wanted.token_hash, known.clock())
    return "", 204


@blueprint.post("/hosts/<host>/greeting")
@wire.takes(blueprint, Greeting, "greeting")
@blueprint.output(Welcome)
@blueprint.doc(responses=_NOT_THIS_HOST)
def greet(host: str, greeting: Greeting) -> Welcome:
    """Ask whether this worker may serve the host, before it takes messages."""
    _require_own(host)
    known = services()
    with known.store.write() as session:
        refusal = _refusal(session, host, greeting.identity, known.clock())
    if refusal:
        raise work.Refused(refusal)
    return Welcome(version=version("showdown"))


@blueprint.put("/hosts/<host>")
@wire.takes(blueprint, HostCapabilities, "capabilities")
@blueprint.doc(responses={204: "Registered", **_NOT_THIS_HOST})
def put_host(host: str, capabilities: HostCapabilities) -> tuple[str, int]:
    """Register a host, or confirm that it is still available."""
    if capabilities.host != host:
        raise InvalidInput([Problem(field="host", message=f"is {capabilities.host!r}, but the URL names {host!r}")])
    _require_own(host)
    known = services()
    with known.store.write() as session:
        refusal = _refusal(session, host, capabilities.identity, known.clock())
        if not refusal:
            work.register_host(session, capabilities, known.clock())
            enrolments.store_machine(session, host, capabilities.identity)
    if refusal:
        raise work.Refused(refusal)
    ticker.dispatch_waiting(known.store, known.dispatcher, known.clock(), hosts=(host,))
    return "", 204


@blueprint.put("/hosts/<host>/matrix")
@wire.takes(blueprint, TraitMatrix, "matrix")
@blueprint.doc(responses={204: "Stored, unless a newer one is known", 404: "The host has not registered"})
def put_matrix(host: str, matrix: TraitMatrix) -> tuple[str, int]:
    """Report the trait matrix of a host's datapaths."""
    if matrix.host != host:
        raise InvalidInput([Problem(field="host", message=f"is {matrix.host!r}, but the URL names {host!r}")])
    _require_own(host)
    with services().store.write() as session:
        if not store_matrix(session, matrix, services().clock()):
            raise NotFound(f"there is no host {host!r}")
    return "", 204


@blueprint.put("/hosts/<host>/vitals")
@wire.takes(blueprint, HostVitals, "vitals")
@blueprint.doc(responses={204: "Stored", 404: "The host has not registered"})
def put_vitals(host: str, vitals: HostVitals) -> tuple[str, int]:
    """Report a host's clock, and whether messages reach it."""
    _require_own(host)
    known = services()
    with known.store.write() as session:
        if not store_vitals(session, host, vitals, known.clock()):
            raise NotFound(f"there is no host {host!r}")
    return "", 204


@blueprint.post(f"{_ATTEMPT}/claim")
@wire.takes(blueprint, Claim, "wanted")
@blueprint.output(BlockJob)
@blueprint.doc(responses=_REFUSED)
def claim(block_id: str, number: int, wanted: Claim) -> BlockJob:
    """Claim an attempt; exactly one of several claims succeeds."""
    if wanted.host != auth.worker_host():
        raise work.Refused(f"this token belongs to host {auth.worker_host()}, not to {wanted.host}")
    known = services()
    with known.store.write() as session:
        enrolments.require_same_machine(session, wanted.host, wanted.machine)
        return work.claim(session, block_id, number, wanted.host, known.clock())


@blueprint.post(f"{_ATTEMPT}/heartbeat")
@wire.takes(blueprint, Heartbeat, "beat")
@blueprint.output(HeartbeatAnswer)
@blueprint.doc(responses=_REFUSED)
def heartbeat(block_id: str, number: int, beat: Heartbeat) -> HeartbeatAnswer:
    """Renew the lease, report the progress, and learn whether to stop."""
    known = services()
    with known.store.write() as session:
        enrolments.require_attempt_of(session, f"{block_id}-{number}", auth.worker_host())
        return work.heartbeat(session, block_id, number, beat, known.clock())


@blueprint.put(f"{_ATTEMPT}/report")
@wire.takes(blueprint, Report, "attempt_report", always_tolerant=True)
@blueprint.doc(responses={204: "Accepted, now or earlier", **_REFUSED})
def report(block_id: str, number: int, attempt_report: Report) -> tuple[str, int]:
    """Report the end of an attempt; the host gets its next block at once."""
    known = services()
    with known.store.write() as session:
        enrolments.require_attempt_of(session, f"{block_id}-{number}", auth.worker_host())
        freed = work.report(session, block_id, number, attempt_report, known.clock())
    if freed is not None:
        hosts = None if freed.others else (freed.host,)
        ticker.dispatch_waiting(known.store, known.dispatcher, known.clock(), hosts)
    return "", 204


@blueprint.get("/campaigns/<campaign_id>/progress")
@blueprint.output(CampaignProgress)
@blueprint.doc(responses={404: "Not found"})
def campaign_progress(campaign_id: str) -> CampaignProgress:
    """A campaign's present progress, and its verdicts if enough blocks have ended since the last ones."""
    with services().store.read() as session:
        summary = views.campaign_summary(session, campaign_id)
    if summary is None:
        no_campaign(campaign_id)
    blocks, ended = summary.blocks_done + summary.blocks_failed, summary.state.ended
    wanted = ended or services().announced.is_due(campaign_id, blocks)
    report = report_of(campaign_id) if wanted else CampaignReport(campaign={})
    return CampaignProgress(
        blocks_ended=blocks,
        blocks_failed=summary.blocks_failed,
        blocks_planned=summary.blocks_total,
        ended=ended,
        verdicts=report.verdicts,
        costs=costs_of(report),
    )
