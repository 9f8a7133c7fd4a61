"""Who sends a token, or the secret of a link."""

import hmac

from werkzeug.exceptions import Forbidden, Unauthorized

from coordinator.access import sharing
from coordinator.access.principal import OWNER, Kind, Principal
from coordinator.services import services
from coordinator.store.people import user_tokens
from domain.hosts.host_tokens import hash_of
from domain.service.scopes import SHARE_PREFIX, Scope


class InsufficientScope(Forbidden):
    """The token or person is known, and may not do this."""

    problem_code = "insufficient_scope"  # coordinator/api/refusals.py


def sender(bearer: str) -> Principal:
    """Who sends this token, or secret of a link. Raises ``Unauthorized``, or ``Forbidden`` beyond what a link opens."""
    if not bearer.startswith(SHARE_PREFIX):
        return principal_with(bearer)
    who = sharing.principal_with(bearer, counts=True)
    if who is None:
        raise Unauthorized("this link was revoked, has expired, or was not copied completely")
    if not sharing.is_open_to(who):
        raise InsufficientScope(f"this link only opens reports of campaign {who.campaign_id}")
    return who


def visitor() -> Principal | None:
    """Who has opened a link in this browser, if it opens this page."""
    who = sharing.visitor()
    return who if who is not None and sharing.is_open_to(who) else None


def principal_with(token: str) -> Principal:
    """Who a user's token belongs to. Raises ``Unauthorized``."""
    known = services()
    if same(token, known.settings.token):
        return OWNER
    now = known.clock()
    with known.store.read() as session:
        # Found by the hash of what was sent: how long that takes says nothing about a valid token.
        row = user_tokens.token_with(session, hash_of(token))
    if row is None:
        raise Unauthorized("this token is neither the users' token (SHOWDOWN_TOKEN) nor a named one")
    if why := row.refusal(now):
        raise Unauthorized(f"token {row.name} {why}")
    if not user_tokens.is_use_noted(row, now):
        with known.store.write() as session:
            user_tokens.note_use(session, row.name, now)
    return Principal(Kind.TOKEN, row.name, Scope(row.scope))


def same(one: str, other: str) -> bool:
    """Compare secrets in a time that depends on neither."""
    return hmac.compare_digest(one.encode("utf-8", "surrogateescape"), other.encode("utf-8", "surrogateescape"))
