"""The worker's client of the coordinator's worker API. Reports wait in an outbox until the coordinator accepts them."""

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from domain.hosts.host_identity import Greeting, Welcome
from domain.hosts.protocol import HEADER, PROTOCOL
from domain.service.jobs import (
    BlockJob,
    BlockMessage,
    CampaignProgress,
    Claim,
    Feature,
    Heartbeat,
    HeartbeatAnswer,
    HostCapabilities,
    Report,
)
from domain.service.vitals import HostVitals
from domain.trials.traits import TraitMatrix
from domain.values.problems import SET_ASIDE
from workers.agent.acceptance import judged, judged_greeting
from workers.agent.answers import code_of, expect, refusal_of
from workers.agent.claims import Claims, claims_dir
from workers.agent.config import WorkerSettings
from workers.agent.outbox import Delivery, Outbox, outbox_state
from workers.agent.skew import AnotherJob, UnreadableJob, claimed_job, understood
from workers.agent.time_limit import LimitedTransport, time_limit
from workers.inventory.machine import host_identity

log = logging.getLogger(__name__)

_LIMIT_S = 10.0
_REPORT_LIMIT_S = 60.0  # a report has megabytes, and the link may be slow
_BACKOFF_S = (0.5, 1, 2, 4, 8)
_MEMORY_PATIENCE = 10  # as many times longer, because what is in memory only is lost with the process …
_MEMORY_PATIENCE_S = 20.0  # … and at least so long
_NOT_TAKEN = frozenset({413, 422})  # too large, or not understood

OUTBOX_FEATURE = "report_outbox"


class Refused(Exception):
    """The coordinator refused this claim, heartbeat or report; a retry cannot succeed."""

    def __init__(self, text: str, status: int = 0, code: str = "") -> None:
        super().__init__(text)
        self.status, self.code = status, code


class Coordinator:
    """Claims, heartbeats and reports.

    A method that sends one request raises :class:`Refused` if a retry cannot succeed, ``httpx.HTTPError`` if it may.
    """

    def __init__(
        self, settings: WorkerSettings, transport: httpx.BaseTransport | None = None, *, limit_s: float = _LIMIT_S
    ) -> None:
        """``limit_s`` is the longest time of a request; a report may take longer."""
        self._limit_s = limit_s
        self._host = settings.host
        self._outbox = Outbox(outbox_dir(settings.state_dir))
        self._claims = Claims(claims_dir(settings.state_dir))
        self._http = httpx.Client(
            base_url=settings.coordinator_url,
            headers={"Authorization": f"Bearer {settings.host_token}", HEADER: str(PROTOCOL)},
            timeout=limit_s,
            transport=transport or LimitedTransport(),
            trust_env=False,  # no proxy of the environment is used
        )

    def register(self, capabilities: HostCapabilities) -> None:
        """Report what this host can run. This also keeps an idle host online. Raises :class:`NotAccepted`, too."""
        features = (*capabilities.features, *self._outbox_feature())
        shown = capabilities.model_copy(update={"features": features, "identity": host_identity()})
        try:
            self._send("PUT", f"/api/v1/worker/hosts/{self._host}", shown.model_dump_json())
        except (Refused, httpx.HTTPStatusError) as error:
            raise judged(error) from error

    def greet(self) -> Welcome:
        """Ask whether the coordinator works with this worker. Raises :class:`NotAccepted` if not."""
        path = f"/api/v1/worker/hosts/{self._host}/greeting"
        try:
            answer = self._send("POST", path, Greeting(identity=host_identity()).model_dump_json())
        except (Refused, httpx.HTTPStatusError) as error:
            raise judged_greeting(error) from error
        return understood(Welcome, answer)

    def report_matrix(self, matrix: TraitMatrix) -> None:
        """Report the traits that this host's tests found. Idempotent."""
        self._send("PUT", f"/api/v1/worker/hosts/{self._host}/matrix", matrix.model_dump_json())

    def report_vitals(self, vitals: HostVitals) -> None:
        """Report this host's clock, and what came through its queue."""
        self._send("PUT", f"/api/v1/worker/hosts/{self._host}/vitals", vitals.model_dump_json())

    def claim(self, message: BlockMessage) -> BlockJob:
        """Claim an attempt; raises :class:`Refused` if it is taken, no longer needed, or not the one asked for."""
        wanted = Claim(host=self._host, machine=host_identity().machine)
        answer = self._send("POST", _path(message, "claim"), wanted.model_dump_json())
        try:
            job = claimed_job(answer, message, self._host)
        except AnotherJob as error:
            raise Refused(str(error)) from error
        except UnreadableJob as error:
            # Without a report, the attempt would end with its lease, for no visible reason.
            failure = Report(lease=error.lease, failure=str(error)[:2000])
            self._send("PUT", _path(message, "report"), failure.model_dump_json())
            raise Refused(str(error)) from error
        self._claims.add(job)
        return job

    def heartbeat(self, job: BlockJob, beat: Heartbeat) -> HeartbeatAnswer:
        """Renew the lease."""
        answer = self._send("POST", _path(_message(job), "heartbeat"), beat.model_dump_json())
        return understood(HeartbeatAnswer, answer)

    def report(self, job: BlockJob, report: Report, *, patience_s: float = 30.0) -> None:
        """Keep the report on disk, then deliver it. If that fails for ``patience_s``, :meth:`deliver` does it later.

        A report that the disk does not take is sent from memory, with more patience.
        """
        if self._outbox.put(job.block_id, job.attempt, _path(_message(job), "report"), report):
            self._claims.remove(job.block_id, job.attempt)
        else:
            patience_s = max(_MEMORY_PATIENCE_S, _MEMORY_PATIENCE * patience_s)
        deadline = time.monotonic() + patience_s
        for pause_s in (*_BACKOFF_S, *[8] * 100):
            self.deliver()
            if not self._outbox.holds(job.block_id, job.attempt):
                self._claims.remove(job.block_id, job.attempt)
                return
            if time.monotonic() + pause_s > deadline:
                return
            time.sleep(pause_s)

    def give_up(self, job: BlockJob) -> None:
        """Report nothing of this attempt: its lease is lost."""
        self._claims.remove(job.block_id, job.attempt)

    def report_lost_claims(self, clean: Callable[[], object] = lambda: None) -> int:
        """Report every attempt whose process was killed, so that no lease has to run out; returns how many.

        An attempt whose report is in the outbox had ended before. ``clean`` is called first if there is any: the
        coordinator may send the next block at once.
        """
        lost = list(self._claims.lost())
        if lost:
            clean()
        for claim in lost:
            message = BlockMessage(block_id=claim.block_id, attempt=claim.attempt)
            log.warning("block %s attempt %d: its process was killed", claim.block_id, claim.attempt)
            if not self._outbox.holds(claim.block_id, claim.attempt):
                failure = f"the worker's process on {self._host} was killed while it ran this attempt"
                report = Report(lease=claim.lease, failure=failure)
                self._outbox.put(claim.block_id, claim.attempt, _path(message, "report"), report)
            self._claims.remove(claim.block_id, claim.attempt)
        if lost:
            self.deliver()
        return len(lost)

    def deliver(self) -> int:
        """Deliver every waiting report; returns how many still wait. Raises nothing for a broken outbox."""
        return self._outbox.deliver(self._deliver_one)

    def campaign_progress(self, campaign_id: str) -> CampaignProgress:
        """A campaign's progress and verdicts so far."""
        return understood(CampaignProgress, self._send("GET", f"/api/v1/worker/campaigns/{campaign_id}/progress"))

    def _deliver_one(self, name: str, path: str, report: str) -> Delivery:
        try:
            self._send("PUT", path, report, limit_s=_REPORT_LIMIT_S)
        except Refused as refusal:
            log.warning("the coordinator no longer wants report %s: %s", name, refusal)
            if refusal.code == SET_ASIDE and _has_result(report):
                return Delivery.NOT_UNDERSTOOD  # the error may be the coordinator's, and an update may repair it
            if refusal.status in _NOT_TAKEN and _has_result(report):
                return self._instead_of(name, path, report, str(refusal))
        except httpx.TransportError as error:
            log.warning("report %s waits: %s", name, error)
            return Delivery.AWAY
        except httpx.HTTPError as error:
            log.warning("report %s waits: %s", name, error)
            return Delivery.WAITS
        return Delivery.DONE

    def _instead_of(self, name: str, path: str, report: str, why: str) -> Delivery:
        """Say why there is no result: the attempt ends now and not with its lease, and its history has the reason."""
        failure = Report(lease=json.loads(report)["lease"], failure=f"the coordinator refused the result: {why}"[:2000])
        try:
            self._send("PUT", path, failure.model_dump_json())
        except Refused:
            pass  # the attempt has ended meanwhile
        except httpx.HTTPError as error:
            log.warning("report %s waits: %s", name, error)
            return Delivery.AWAY
        return Delivery.NOT_UNDERSTOOD

    def _outbox_feature(self) -> tuple[Feature, ...]:
        """What people must know about the outbox, for the page of hosts; nothing if all is well."""
        state = outbox_state(self._outbox.directory)
        if not state.needs_attention:
            return ()
        remedy = "The worker's log says why. Remove what was set aside when it is no longer needed."
        return (Feature(name=OUTBOX_FEATURE, present=False, reason=f"{state.directory}: {state.text}", remedy=remedy),)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _send(self, method: str, path: str, body: str = "", *, limit_s: float | None = None) -> str:
        with time_limit(limit_s or self._limit_s):
            response = self._http.request(method, path, content=body, headers={"Content-Type": "application/json"})
        if (refusal := refusal_of(response)) is not None:
            raise Refused(f"{response.status_code}: {refusal[:300]}", response.status_code, code_of(response))
        expect(response, 204 if method == "PUT" else 200)
        return response.text


def outbox_dir(state_dir: Path) -> Path:
    """Where reports of a worker wait for the coordinator."""
    return state_dir / "outbox"


def _has_result(report: str) -> bool:
    content = json.loads(report)
    return isinstance(content, dict) and content.get("result") is not None and isinstance(content.get("lease"), str)


def _message(job: BlockJob) -> BlockMessage:
    return BlockMessage(block_id=job.block_id, attempt=job.attempt)


def _path(message: BlockMessage, verb: str) -> str:
    return f"/api/v1/worker/blocks/{message.block_id}/attempts/{message.attempt}/{verb}"
