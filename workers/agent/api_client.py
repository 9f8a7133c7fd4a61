"""The worker's side of the coordinator's worker API, and the outbox that keeps results until they are accepted."""

import json
import logging
import os
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
from workers.agent.config import WorkerSettings

log = logging.getLogger(__name__)

_TIMEOUT_S = 10.0
# Not there, not this one's any more, not understood: asking again changes nothing. All else may pass (a token that is
# being changed, a busy server), and a finished measurement waits for that.
_REFUSALS = frozenset({404, 409, 422})
_BACKOFF_S = (0.5, 1, 2, 4, 8)


class Refused(Exception):
    """The coordinator does not want this claim, heartbeat or report (any more)."""


class Coordinator:
    """Claims, heartbeats and reports.

    Every method raises :class:`Refused` when asking again changes nothing, ``httpx.HTTPError`` for what may pass.
    """

    def __init__(self, settings: WorkerSettings, transport: httpx.BaseTransport | None = None) -> None:
        self._host = settings.host
        self._outbox = settings.state_dir / "outbox"
        self._http = httpx.Client(
            base_url=settings.coordinator_url,
            headers={"Authorization": f"Bearer {settings.worker_token}"},
            timeout=_TIMEOUT_S,
            transport=transport,
            trust_env=False,  # the coordinator is addressed directly, whatever proxies the environment names
        )

    def register(self, capabilities: HostCapabilities) -> None:
        """Tell what this host can run; also the sign of life of an idle host."""
        self._send("PUT", f"/api/v1/worker/hosts/{self._host}", capabilities.model_dump_json())

    def tell_matrix(self, matrix: TraitMatrix) -> None:
        """Tell what this host's tests found that its datapaths keep and carry; telling it again changes nothing."""
        self._send("PUT", f"/api/v1/worker/hosts/{self._host}/matrix", matrix.model_dump_json())

    def claim(self, message: BlockMessage) -> BlockJob:
        """Claim an attempt; :class:`Refused` when somebody has it or nobody wants it any more."""
        answer = self._send("POST", _path(message, "claim"), Claim(host=self._host).model_dump_json())
        return BlockJob.model_validate_json(answer)

    def heartbeat(self, job: BlockJob, beat: Heartbeat) -> HeartbeatAnswer:
        """Renew the lease."""
        answer = self._send("POST", _path(_message(job), "heartbeat"), beat.model_dump_json())
        return HeartbeatAnswer.model_validate_json(answer)

    def report(self, job: BlockJob, report: Report, *, patience_s: float = 30.0) -> None:
        """Keep the report on disk, then deliver it; what cannot be delivered now stays for :meth:`deliver`."""
        self._outbox.mkdir(parents=True, exist_ok=True)
        path = self._outbox / f"{job.block_id}-{job.attempt}.json"
        temporary = path.with_suffix(".tmp")
        body = {"path": _path(_message(job), "report"), "report": report.model_dump(mode="json")}
        temporary.write_text(json.dumps(body))
        os.replace(temporary, path)
        deadline = time.monotonic() + patience_s
        for pause_s in (*_BACKOFF_S, *[8] * 100):
            if not self.deliver() or time.monotonic() + pause_s > deadline:
                return
            time.sleep(pause_s)

    def deliver(self) -> int:
        """Deliver every report that waits; returns how many still wait."""
        waiting = sorted(self._outbox.glob("*.json"))
        for path in list(waiting):
            try:
                body = json.loads(path.read_text())
                self._send("PUT", body["path"], json.dumps(body["report"]))
            except Refused as refusal:
                log.warning("report %s is not wanted any more: %s", path.name, refusal)
            except (ValueError, KeyError) as error:
                log.error("report %s is unreadable and set aside: %s", path.name, error)
                path.rename(path.with_suffix(".bad"))
                waiting.remove(path)
                continue
            except httpx.HTTPError as error:
                log.warning("report %s waits: %s", path.name, error)
                continue
            path.unlink(missing_ok=True)
            waiting.remove(path)
        return len(waiting)

    def campaign_progress(self, campaign_id: str) -> CampaignProgress:
        """What a campaign comes to as of now."""
        return CampaignProgress.model_validate_json(
            self._send("GET", f"/api/v1/worker/campaigns/{campaign_id}/progress")
        )

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
