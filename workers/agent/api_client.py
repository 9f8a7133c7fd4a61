"""The worker's client of the coordinator's worker API. Reports wait in an outbox until the coordinator accepts them."""

import logging
import time

import httpx

from domain.jobs import (
    BlockJob,
    BlockMessage,
    CampaignProgress,
    Claim,
    Heartbeat,
    HeartbeatAnswer,
    HostCapabilities,
    Report,
)
from domain.traits import TraitMatrix
from domain.vitals import HostVitals
from workers.agent.config import WorkerSettings
from workers.agent.outbox import Outbox

log = logging.getLogger(__name__)

_TIMEOUT_S = 10.0
# Not found, not this worker's any more, not understood: a retry cannot succeed. All other errors may pass, such as a
# token that is being changed or a busy server, and a finished measurement waits.
_REFUSALS = frozenset({404, 409, 422})
_BACKOFF_S = (0.5, 1, 2, 4, 8)


class Refused(Exception):
    """The coordinator refused this claim, heartbeat or report; a retry cannot succeed."""


class Coordinator:
    """Claims, heartbeats and reports.

    A method that sends one request raises :class:`Refused` if a retry cannot succeed, ``httpx.HTTPError`` if it may.
    """

    def __init__(self, settings: WorkerSettings, transport: httpx.BaseTransport | None = None) -> None:
        self._host = settings.host
        self._outbox = Outbox(settings.state_dir / "outbox")
        self._http = httpx.Client(
            base_url=settings.coordinator_url,
            headers={"Authorization": f"Bearer {settings.worker_token}"},
            timeout=_TIMEOUT_S,
            transport=transport,
            trust_env=False,  # no proxy of the environment is used
        )

    def register(self, capabilities: HostCapabilities) -> None:
        """Report what this host can run. This also keeps an idle host online."""
        self._send("PUT", f"/api/v1/worker/hosts/{self._host}", capabilities.model_dump_json())

    def report_matrix(self, matrix: TraitMatrix) -> None:
        """Report the traits that this host's tests found. Idempotent."""
        self._send("PUT", f"/api/v1/worker/hosts/{self._host}/matrix", matrix.model_dump_json())

    def report_vitals(self, vitals: HostVitals) -> None:
        """Report this host's clock, and what came through its queue."""
        self._send("PUT", f"/api/v1/worker/hosts/{self._host}/vitals", vitals.model_dump_json())

    def claim(self, message: BlockMessage) -> BlockJob:
        """Claim an attempt; raises :class:`Refused` if it is taken or no longer needed."""
        answer = self._send("POST", _path(message, "claim"), Claim(host=self._host).model_dump_json())
        job = BlockJob.model_validate_json(answer)
        if _message(job) != message:
            raise Refused(f"the answer is about block {job.block_id}, attempt {job.attempt}")
        return job

    def heartbeat(self, job: BlockJob, beat: Heartbeat) -> HeartbeatAnswer:
        """Renew the lease."""
        answer = self._send("POST", _path(_message(job), "heartbeat"), beat.model_dump_json())
        return HeartbeatAnswer.model_validate_json(answer)

    def report(self, job: BlockJob, report: Report, *, patience_s: float = 30.0) -> None:
        """Keep the report on disk, then deliver it. If that fails for ``patience_s``, :meth:`deliver` does it later."""
        self._outbox.put(job.block_id, job.attempt, _path(_message(job), "report"), report)
        deadline = time.monotonic() + patience_s
        for pause_s in (*_BACKOFF_S, *[8] * 100):
            if not self.deliver() or time.monotonic() + pause_s > deadline:
                return
            time.sleep(pause_s)

    def deliver(self) -> int:
        """Deliver every waiting report; returns how many still wait. Raises nothing for a broken outbox."""
        return self._outbox.deliver(self._deliver_one)

    def campaign_progress(self, campaign_id: str) -> CampaignProgress:
        """A campaign's progress and verdicts so far."""
        return CampaignProgress.model_validate_json(
            self._send("GET", f"/api/v1/worker/campaigns/{campaign_id}/progress")
        )

    def _deliver_one(self, name: str, path: str, report: str) -> bool:
        try:
            self._send("PUT", path, report)
        except Refused as refusal:
            log.warning("the coordinator no longer wants report %s: %s", name, refusal)
        except httpx.HTTPError as error:
            log.warning("report %s waits: %s", name, error)
            return False
        return True

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _send(self, method: str, path: str, body: str = "") -> str:
        response = self._http.request(method, path, content=body, headers={"Content-Type": "application/json"})
        if response.status_code in _REFUSALS:
            raise Refused(f"{response.status_code}: {response.text[:300]}")
        response.raise_for_status()
        return response.text


def _message(job: BlockJob) -> BlockMessage:
    return BlockMessage(block_id=job.block_id, attempt=job.attempt)


def _path(message: BlockMessage, verb: str) -> str:
    return f"/api/v1/worker/blocks/{message.block_id}/attempts/{message.attempt}/{verb}"
