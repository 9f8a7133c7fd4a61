"""A host's token: its form, what the coordinator stores of it, and the key of broker messages. Pure."""

import base64
import hashlib
import hmac

from pydantic import Field

from domain.frozen import Frozen

PREFIX = "sdh_"
"""Tokens of hosts begin with it, so that people and scanners recognise them."""

RANDOM_BYTES = 32
_MESSAGES = b"showdown broker messages"


class SelfEnrolment(Frozen):
    """A worker enrols its host with a token that it has drawn itself; the token stays on the host."""

    token_hash: str = Field(pattern=r"^[0-9a-f]{64}$")


def token_of(random: bytes) -> str:
    """The token for 32 random bytes."""
    return PREFIX + base64.urlsafe_b64encode(random).decode().rstrip("=")


def hash_of(token: str) -> str:
    """What the coordinator stores: a token has 256 random bits, so a plain hash cannot be reversed."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def message_key(token_hash: str) -> bytes:
    """The key that authenticates broker messages to one host; both sides compute it from the token's hash."""
    return hmac.digest(bytes.fromhex(token_hash), _MESSAGES, "sha256")
