"""A host's token: its form, and what the coordinator stores of it. Pure.

The key of messages to the host comes from that hash, which both sides know.
"""

import base64
import hashlib

from pydantic import Field

from domain.values.frozen import Frozen

PREFIX = "sdh_"
"""Tokens of hosts begin with it, so that people and scanners recognise them."""

RANDOM_BYTES = 32


class SelfEnrolment(Frozen):
    """A worker enrols its host with a token that it has drawn itself; the token stays on the host."""

    token_hash: str = Field(pattern=r"^[0-9a-f]{64}$")


def token_of(random: bytes, prefix: str = PREFIX) -> str:
    """The token for 32 random bytes."""
    return prefix + base64.urlsafe_b64encode(random).decode().rstrip("=")


def hash_of(token: str) -> str:
    """What the coordinator stores: a token has 256 random bits, so a plain hash cannot be reversed."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
