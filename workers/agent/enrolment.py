"""Before a worker takes messages: its host has a token, and the coordinator accepts the worker.

While the coordinator refuses, the worker waits and says why. When the cause is removed, it goes on by itself.
"""

import logging
import secrets
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import httpx

from domain.hosts.host_tokens import RANDOM_BYTES, SelfEnrolment, hash_of, token_of
from domain.values.texts import error_text
from workers.agent.acceptance import NotAccepted, judged
from workers.agent.api_client import Coordinator, Refused
from workers.agent.config import ConfigError, WorkerSettings, kept_token, token_file
from workers.lab.files import write_whole

log = logging.getLogger(__name__)

RETRY_S = 30.0
REPEAT_LOG_S = 600.0
_TIMEOUT_S = 10.0


def with_token(settings: WorkerSettings) -> WorkerSettings:
    """Settings with a token of this host; a new one waits for :func:`await_acceptance`. Raises :class:`ConfigError`."""
    if settings.host_token:
        return settings
    if not settings.enrolment_token:
        raise ConfigError(
            f"SHOWDOWN_HOST_TOKEN is not set; make a token with 'showdown hosts enrol {settings.host}' "
            f"where the coordinator runs"
        )
    token = token_of(secrets.token_bytes(RANDOM_BYTES))
    try:
        file = token_file(settings.state_dir)
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(file, token, sync=True)  # for this user alone
    except OSError as error:
        raise ConfigError(
            f"the token of this host cannot be kept: {error_text(error)}; check SHOWDOWN_STATE_DIR"
        ) from error
    return replace(settings, host_token=token)


def await_acceptance(
    settings: WorkerSettings,
    transport: httpx.BaseTransport | None = None,
    wait: Callable[[float], object] = time.sleep,
) -> None:
    """Return when the coordinator accepts this worker, or cannot be asked: then the registration goes on asking."""
    since, said = 0.0, ""
    with closing(Coordinator(settings, transport)) as coordinator:
        while True:
            try:
                _introduce(coordinator, settings, transport)
                return
            except NotAccepted as refusal:
                if str(refusal) != said or since >= REPEAT_LOG_S:
                    log.critical("this worker waits, and takes no blocks: %s", refusal)
                    since, said = 0.0, str(refusal)
            except (httpx.HTTPError, Refused) as error:
                log.warning("the coordinator cannot be asked yet: %s", error)
                return
            wait(RETRY_S)
            since += RETRY_S


def _introduce(coordinator: Coordinator, settings: WorkerSettings, transport: httpx.BaseTransport | None) -> None:
    """Greet; enrol first if the coordinator does not know the token that this worker has drawn."""
    try:
        coordinator.greet()
    except NotAccepted as refusal:
        is_own = settings.host_token == kept_token(settings.state_dir)
        if not (refusal.unknown_token and is_own and settings.enrolment_token):
            raise
        _enrol(settings, transport)
        log.info("host %s is enrolled; SHOWDOWN_WORKER_TOKEN is no longer needed here", settings.host)
        coordinator.greet()


def _enrol(settings: WorkerSettings, transport: httpx.BaseTransport | None) -> None:
    url = f"{settings.coordinator_url}/api/v1/worker/hosts/{settings.host}/enrolment"
    wanted = SelfEnrolment(token_hash=hash_of(settings.host_token))
    headers = {"Authorization": f"Bearer {settings.enrolment_token}"}
    with httpx.Client(timeout=_TIMEOUT_S, transport=transport, trust_env=False) as http:
        response = http.post(url, json=wanted.model_dump(), headers=headers)
    try:
        response.raise_for_status()
    except httpx.HTTPStatusError as error:
        raise judged(error) from error
