"""Hosts' tokens: who may act for which host. Each function is part of one transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from coordinator.store.lifecycle.submission import ONLINE_S
from coordinator.store.lifecycle.work import Refused
from coordinator.store.rows.database import Store
from coordinator.store.rows.models import AttemptRow, EnrolmentRow, HostRow
from coordinator.store.rows.turns import in_turn
from domain.hosts.host_identity import HostIdentity, KnownMachine, conflict
from domain.hosts.host_tokens import hash_of
from domain.service.messages import message_key
from domain.values.names import HOST_NAME_SHAPE, is_host_name
from domain.values.problems import InvalidInput, Problem

_LONGEST_REFUSAL = 500


class AlreadyEnrolled(Exception):
    """The host has a token already; the message says what to do."""


@dataclass(frozen=True)
class Holder:
    """The host that a token belongs to."""

    host: str
    revoked: bool


def enrol(session: Session, host: str, token_hash: str, now: float, *, replace: bool = False) -> None:
    """Give ``host`` a token. ``replace`` makes an earlier one void; the same token again changes nothing.

    Raises :class:`AlreadyEnrolled`, and :class:`InvalidInput` for a name that no host can have.
    """
    if not is_host_name(host):
        raise InvalidInput([Problem(field="host", message=HOST_NAME_SHAPE)])
    in_turn(session, f"host {host}")
    row = session.get(EnrolmentRow, host, with_for_update=True)
    if row is None:
        session.add(
            EnrolmentRow(host=host, token_hash=token_hash, enrolled_at=now, revoked_at=None, protocol="", refusal="")
        )
        return
    if row.token_hash == token_hash and row.revoked_at is None:
        return
    if not replace:
        state = "has a token" if row.revoked_at is None else "had its token revoked"
        raise AlreadyEnrolled(f"host {host} {state}; give it a new one with 'showdown hosts enrol {host} --replace'")
    row.token_hash, row.enrolled_at, row.revoked_at = token_hash, now, None
    row.refusal, row.refused_at = "", None


def revoke(session: Session, host: str, now: float) -> bool:
    """Make a host's token void, and the host offline at once; false if the host was never enrolled."""
    row = session.get(EnrolmentRow, host, with_for_update=True)
    if row is None:
        return False
    row.revoked_at = row.revoked_at or now
    if (known := session.get(HostRow, host)) is not None:
        # It is as if the host had been silent for long: the ticker moves its blocks in its next round.
        known.seen_at = min(known.seen_at, now - ONLINE_S - 1.0)
    return True


def holder_of(session: Session, token: str) -> Holder | None:
    """The host that a token was made for."""
    row = session.scalar(select(EnrolmentRow).where(EnrolmentRow.token_hash == hash_of(token)))
    return Holder(row.host, row.revoked_at is not None) if row is not None else None


def message_keys(store: Store) -> Callable[[str], bytes | None]:
    """The function that gives the key of messages to a host; ``None`` if it has no valid token."""

    def key_of(host: str) -> bytes | None:
        with store.read() as session:
            row = session.get(EnrolmentRow, host)
            return message_key(row.token_hash, host) if row is not None and row.revoked_at is None else None

    return key_of


def enrolments(session: Session) -> Sequence[EnrolmentRow]:
    """Every enrolled host, by name."""
    return session.scalars(select(EnrolmentRow).order_by(EnrolmentRow.host)).all()


def note_peer(session: Session, host: str, now: float, *, protocol: str, refusal: str = "") -> None:
    """Keep which protocol a host's worker speaks, and why it was refused, for the page of hosts."""
    row = session.get(EnrolmentRow, host)
    if row is None:
        return
    refusal = refusal[:_LONGEST_REFUSAL]
    if (row.protocol, row.refusal) != (protocol, refusal) or refusal:
        row.protocol, row.refusal, row.refused_at = protocol, refusal, now if refusal else None


def refusal_of_machine(session: Session, host: str, identity: HostIdentity, now: float) -> str:
    """Why a machine may not use this host's name; empty if it may."""
    row = session.get(HostRow, host)
    if row is None:
        return ""
    return conflict(
        host, KnownMachine(row.machine or "", row.boot or "", row.seen_at), identity, now, online_s=ONLINE_S
    )


def store_machine(session: Session, host: str, identity: HostIdentity | None) -> None:
    """Keep the machine of a host that has registered."""
    if identity is not None:
        row = session.get_one(HostRow, host)
        row.machine, row.boot = identity.machine, identity.boot


def require_same_machine(session: Session, host: str, machine: str) -> None:
    """Refuse the claim of a machine that is not the one that registered. Raises :class:`Refused`."""
    row = session.get(HostRow, host)
    if row is not None and row.machine and machine and row.machine != machine:
        raise Refused(f"host {host} is another machine (id {row.machine[:8]}; yours is {machine[:8]})")


def require_attempt_of(session: Session, attempt_id: str, host: str) -> None:
    """Refuse to speak of another host's attempt. Raises :class:`Refused`."""
    owner = session.scalar(select(AttemptRow.host).where(AttemptRow.id == attempt_id))
    if owner is not None and owner != host:
        raise Refused(f"this attempt belongs to host {owner}, and this token to {host}")
