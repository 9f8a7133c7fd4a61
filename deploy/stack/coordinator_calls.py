"""What the private stack asks its own coordinator. It listens on a socket of the stack, so it may have the token."""

import ssl
from datetime import datetime

import httpx

from deploy.stack.children import StackError
from domain.values.texts import error_text

ANSWER_S = 2.0
_ENROL_S = 10.0

PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For calls to loopback without TLS: httpx would read all certificate authorities for each, which takes 30 ms."""


def answers(url: str) -> bool:
    """Whether it answers at all."""
    try:
        return (
            httpx.get(f"{url}/healthz", timeout=ANSWER_S, trust_env=False, verify=PLAIN).status_code == httpx.codes.OK
        )
    except httpx.TransportError:
        return False


def enrol(url: str, token: str, host: str) -> str:
    """A new token for ``host``, by the users' token. Raises :class:`StackError`."""
    headers = {"Authorization": f"Bearer {token}"}
    try:
        answer = httpx.post(
            f"{url}/api/v1/hosts/{host}/enrolment",
            json={"replace": True},
            headers=headers,
            timeout=_ENROL_S,
            trust_env=False,
            verify=PLAIN,
        )
        answer.raise_for_status()
        return str(answer.json()["token"])
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise StackError(f"the coordinator did not enrol the host {host}: {error_text(error)}") from error


def has_host(url: str, token: str, since: datetime) -> bool:
    """True once a worker has registered after ``since``; before that, the coordinator accepts no campaign.

    Raises :class:`StackError` if the coordinator refuses the request.
    """
    headers = {"Authorization": f"Bearer {token}"}
    try:
        answer = httpx.get(f"{url}/api/v1/hosts", headers=headers, timeout=ANSWER_S, trust_env=False, verify=PLAIN)
    except httpx.TransportError:
        return False
    if answer.status_code != httpx.codes.OK:
        raise StackError(f"the coordinator answered {answer.status_code} to the request for its hosts: {answer.text}")
    # The state directory may still list a host of an earlier stack as online.
    return any(datetime.fromisoformat(host["seen_at"]) >= since for host in answer.json()["hosts"])
