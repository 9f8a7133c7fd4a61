"""Access control. A guard runs before every request, and refuses it unless the view is marked :func:`public`.

Users send a bearer token, or have a session that was signed in with one, or at the provider of OIDC. What they may do
is in ``access/rules.py``. A session must also send its CSRF token to change something. Each worker host has its own
bearer token, which is valid for the worker API and for that host only.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import astuple
from typing import Any, TypeVar

from flask import Flask, current_app, g, request, session
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import Forbidden, TooManyRequests, Unauthorized

from coordinator.access import audit, sharing
from coordinator.access.bearer import InsufficientScope, principal_with, same, sender, visitor
from coordinator.access.principal import OWNER, Kind, Principal, present
from coordinator.access.rules import SAFE_METHODS, rule_of
from coordinator.services import services
from coordinator.sign_in_limits import SignInFailures
from coordinator.store.hosts.enrolments import holder_of
from coordinator.store.people import sessions, user_tokens
from coordinator.store.people.sessions import Holder, Lifetime
from coordinator.store.rows.models import SessionRow
from domain.hosts.host_tokens import hash_of
from domain.service.scopes import Scope

SESSION_HOURS = 12  # without use
SESSION_DAYS = 30  # in any case
LIFETIME = Lifetime(SESSION_HOURS * 3600.0, SESSION_DAYS * 24 * 3600.0)
CSRF_HEADER = "X-CSRF-Token"
CSRF_FIELD = "csrf_token"
WORKER_BLUEPRINT = "worker"
_FAILURES = "showdown.sign_in_failures"

View = TypeVar("View", bound=Callable[..., Any])


class StaleToken(Forbidden):
    """The CSRF token is missing, or of another session: the page is older than the session."""


def public(view: View) -> View:
    """Mark a view as open to everyone; place it below the route's decorator."""
    view.is_public = True  # type: ignore[attr-defined]
    return view


def guard() -> None:
    """Refuse unauthorised requests. Raises ``Unauthorized`` (401) or ``Forbidden`` (403)."""
    if request.endpoint is None:
        return  # 404 or 405: no view to protect
    if request.endpoint == "static" or request.endpoint.endswith(".static"):
        return
    view = current_app.view_functions[request.endpoint]
    if getattr(view, "is_public", False):
        return
    if getattr(view, "is_for_enrolment", False):
        require_enrolment_token()
    elif WORKER_BLUEPRINT in request.blueprints:
        require_worker()
    else:
        require_user()


def require_user() -> None:
    """Accept a user's token, or a signed-in session (with its CSRF token if the method changes something)."""
    bearer = _bearer()
    who = sender(bearer) if bearer is not None else session_principal() or visitor()
    if who is None:
        raise Unauthorized("sign in, or send a user's token: Authorization: Bearer …")
    if bearer is None and request.method not in SAFE_METHODS:
        check_csrf()
    needed = rule_of(str(request.endpoint), request.method).scope
    if not who.scope.includes(needed):
        raise InsufficientScope(f"{who.text} has the scope {who.scope}; this needs {needed}")
    g.principal = who


def for_enrolment(view: View) -> View:
    """Mark a view of the worker API as open to the enrolment token only; place it below the route's decorator."""
    view.is_for_enrolment = True  # type: ignore[attr-defined]
    return view


def require_worker() -> None:
    """Accept the token of an enrolled host; :func:`worker_host` is then its name."""
    bearer = _bearer()
    with services().store.read() as session:
        holder = holder_of(session, bearer) if bearer else None
    if holder is None:
        if bearer is not None and _is_enrolment_token(bearer):
            raise Unauthorized(
                "this is the token for enrolment (SHOWDOWN_WORKER_TOKEN), not a host's: upgrade the worker, or enrol "
                "its host with 'showdown hosts enrol'"
            )
        raise Unauthorized(
            "send the token of an enrolled host (SHOWDOWN_HOST_TOKEN): Authorization: Bearer …; "
            "'showdown hosts enrol NAME' makes one"
        )
    if holder.revoked:
        remedy = f"'showdown hosts enrol {holder.host} --replace' makes a new one"
        raise Unauthorized(f"the token of host {holder.host} was revoked; {remedy}")
    g.worker_host = holder.host


def require_enrolment_token() -> None:
    """Accept the token that may enrol hosts only, if there is one."""
    bearer = _bearer()
    if bearer is None or not _is_enrolment_token(bearer):
        raise Unauthorized("send the token for enrolment (SHOWDOWN_WORKER_TOKEN): Authorization: Bearer …")


def worker_host() -> str:
    """The host that this request of the worker API may act for."""
    return str(g.worker_host)


def _is_enrolment_token(bearer: str) -> bool:
    expected = services().settings.worker_token
    return bool(expected) and same(bearer, expected)


def sign_in(token: str) -> bool:
    """Sign the session in if ``token`` is a valid one. Raises ``TooManyRequests`` (429) after many failures."""
    try:
        who = principal_with(token.strip())
    except Unauthorized:
        failures: SignInFailures = current_app.extensions[_FAILURES]
        if failures.add(request.remote_addr or ""):
            raise TooManyRequests("too many failed attempts to sign in; wait a minute") from None
        return False
    begin_session(who, Holder() if who.kind is Kind.OWNER else Holder(token_hash=hash_of(token.strip())))
    return True


def begin_session(who: Principal, holder: Holder) -> None:
    """Begin a session: values set before the sign-in do not survive."""
    known = services()
    session.clear()
    session.permanent = True
    session["user"] = _mark(holder)
    session["csrf"] = secrets.token_urlsafe(32)
    session["id"] = secrets.token_urlsafe(32)
    with known.store.write() as database:
        sessions.begin(database, session["id"], known.clock(), LIFETIME, holder)
    g.session_principal = who
    audit.note(who, "session.begin")


def sign_out() -> None:
    """End the session, here and for every copy of its cookie."""
    if (who := session_principal()) is not None:
        audit.note(who, "session.end")
    with services().store.write() as database:
        sessions.end(database, str(session.get("id", "")))
    session.clear()
    g.pop("session_principal", None)


def is_signed_in() -> bool:
    """True for a session whose token or person may still sign in, which is not idle, and not signed out."""
    return session_principal() is not None


def session_principal() -> Principal | None:
    """Who has signed in to this session; a request that shows use extends it."""
    if "session_principal" not in g:
        g.session_principal = None  # also if the database fails now, so that the page that says so can be shown
        mark, secret = session.get("user"), session.get("id")
        if isinstance(mark, str) and isinstance(secret, str):
            g.session_principal = _found_session(mark, secret)
    found: Principal | None = g.session_principal
    return found


def may(scope: str) -> bool:
    """Whether the sender of this request may do what needs ``scope``; pages hide what they may not."""
    who = present() or session_principal()
    return who is not None and who.scope.includes(Scope(scope))


def _found_session(mark: str, secret: str) -> Principal | None:
    known = services()
    now = known.clock()
    with known.store.read() as database:
        row = sessions.open_session(database, secret, now)
        if row is None or not same(mark, _mark(Holder(row.token_hash, row.person, row.scope))):
            return None
        token = user_tokens.token_with(database, row.token_hash) if row.token_hash else None
    who = _holder_of_session(row, token, now)
    end = sessions.extended_end(row, now, LIFETIME)
    if who is not None and end is not None and _shows_use():
        try:
            with known.store.write() as database:
                sessions.extend(database, secret, end)
        except OperationalError:  # a full disk must not hide the pages that say so
            current_app.logger.warning("a session could not be extended")
    return who


def _holder_of_session(row: SessionRow, token: user_tokens.UserTokenRow | None, now: float) -> Principal | None:
    if row.token_hash is not None:
        return None if token is None or token.refusal(now) else Principal(Kind.TOKEN, token.name, Scope(token.scope))
    if row.person is not None:
        return Principal(Kind.PERSON, row.person, Scope(row.scope or Scope.READ))
    return OWNER


def _shows_use() -> bool:
    """False for what an open page sends by itself: a forgotten one must not keep its session open."""
    if request.method not in SAFE_METHODS:
        return True
    return str(request.endpoint).startswith("web.") and "HX-Request" not in request.headers


def csrf_token() -> str:
    """The session's CSRF token, created on demand, so that the sign-in form has one too."""
    if "csrf" not in session:
        session["csrf"] = secrets.token_urlsafe(32)
    return str(session["csrf"])


def check_csrf() -> None:
    """Raises :class:`StaleToken` (403) unless the request carries the session's CSRF token (header or form field)."""
    sent = request.headers.get(CSRF_HEADER) or request.form.get(CSRF_FIELD, "")
    expected = session.get("csrf")
    if not isinstance(expected, str) or not same(sent, expected):
        raise StaleToken("the CSRF token is missing or wrong; reload the page and try again")


def install(app: Flask) -> None:
    """Run the guard before every request of ``app``."""
    app.extensions[_FAILURES] = SignInFailures()
    app.before_request(guard)
    app.after_request(sharing.hide)


def _bearer() -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _mark(holder: Holder) -> str:
    # Another token, or another setting of who may sign in, ends every session that the former one began. The cookie is
    # signed but readable, so it contains no part of the token.
    settings = services().settings
    provider = repr(astuple(settings.oidc)) if settings.oidc is not None else "none"
    credential = holder.token_hash or (f"oidc {provider}" if holder.person else settings.token)
    return hmac.new(settings.secret_key.encode(), credential.encode(), hashlib.sha256).hexdigest()
