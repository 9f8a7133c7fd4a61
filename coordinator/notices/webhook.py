"""Webhooks: one POST with a signature, to an address that a setting allows. No redirect is followed."""

import asyncio
import hashlib
import hmac

import httpx

from domain.values.texts import error_text

TOTAL_S = 10.0
"""The time limit of one attempt: name look-up, connection, request and answer together."""

SIGNATURE_HEADER = "Showdown-Signature"
DELIVERY_HEADER = "Showdown-Delivery"
_SHOWN = 200  # bytes of an answer


def signature(secret: str, at: int, body: bytes) -> str:
    """The value of the header: the time, and HMAC-SHA256 of ``<time>.<body>``. A receiver refuses old times."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def post(url: str, body: bytes, *, secret: str, delivery: str, now: float, total_s: float = TOTAL_S) -> str:
    """Send one message. Returns why it was not delivered; empty if the receiver answered with a 2xx status."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "showdown",
        DELIVERY_HEADER: delivery,
        SIGNATURE_HEADER: signature(secret, int(now), body),
    }
    try:
        return asyncio.run(asyncio.wait_for(_send(url, body, headers), total_s))
    except TimeoutError:
        return f"no complete answer within {total_s:g} s"
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return f"not reached: {error_text(error)}"


async def _send(url: str, body: bytes, headers: dict[str, str]) -> str:
    async with (
        httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=None) as client,  # noqa: S113 (see TOTAL_S)
        client.stream("POST", url, content=body, headers=headers) as answer,
    ):
        if answer.is_success:
            return ""
        start = b""
        async for piece in answer.aiter_bytes():
            start += piece
            if len(start) >= _SHOWN:
                break
        text = start[:_SHOWN].decode(errors="replace").strip()
        kind = " (redirects are not followed)" if answer.is_redirect else ""
        return f"status {answer.status_code}{kind}" + (f": {text}" if text else "")
