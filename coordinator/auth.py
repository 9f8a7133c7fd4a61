"""Access control. A guard runs before every request, and refuses it unless the view is marked :func:`public`.

Users send a bearer token, or have a session that was signed in with it. A session must also send its CSRF token to
change something. Each worker host has its own bearer token, which is valid for the worker API and for that host only.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, current_app, g, request, session
from werkzeug.exceptions import Forbidden, TooManyRequests, Unauthorized

from coordinator.services import services
from coordinator.sign_in_limits import SignInFailures
from coordinator.store import sessions
from coordinator.store.enrolments import holder_of

SESSION_HOURS = 12
CSRF_HEADER = "X-CSRF-Token"
CSRF_FIELD = "csrf_token"
WORKER_BLUEPRINT = "worker"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
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
    """Accept the user token, or a signed-in session (with its CSRF token if the method changes something)."""
    bearer = _bearer()
    if bearer is not None:
        if not _same(bearer, services().settings.token):
            raise Unauthorized("this token is not the user token (SHOWDOWN_TOKEN)")
        return
    if not is_signed_in():
        raise Unauthorized("sign in, or send the user token: Authorization: Bearer …")
    if request.method not in _SAFE_METHODS:
        check_csrf()


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
    return bool(expected) and _same(bearer, expected)


def sign_in(token: str) -> bool:
    """Sign the session in if ``token`` is the user token. Raises ``TooManyRequests`` (429) after many failures."""
    known = services()
    if not _same(token.strip(), known.settings.token):
        failures: SignInFailures = current_app.extensions[_FAILURES]
        if failures.add(request.remote_addr or ""):
            raise TooManyRequests("too many failed attempts to sign in; wait a minute")
        return False
    session.clear()  # a new session: values set before the sign-in do not survive
    session.permanent = True
    session["user"] = _token_mark()
    session["csrf"] = secrets.token_urlsafe(32)
    session["id"] = secrets.token_urlsafe(32)
    with known.store.write() as database:
        sessions.begin(database, session["id"], known.clock(), SESSION_HOURS * 3600.0)
    return True


def sign_out() -> None:
    """End the session, here and for every copy of its cookie."""
    with services().store.write() as database:
        sessions.end(database, str(session.get("id", "")))
    session.clear()
    g.pop("signed_in", None)


def is_signed_in() -> bool:
    """True for a session that was signed in with the present user token, and not signed out since."""
    if "signed_in" not in g:
        g.signed_in = False  # also if the database fails now, so that the page that says so can be shown
        mark, secret = session.get("user"), session.get("id")
        if isinstance(mark, str) and isinstance(secret, str) and _same(mark, _token_mark()):
            known = services()
            with known.store.read() as database:
                g.signed_in = sessions.is_open(database, secret, known.clock())
    return bool(g.signed_in)


def csrf_token() -> str:
    """The session's CSRF token, created on demand, so that the sign-in form has one too."""
    if "csrf" not in session:
        session["csrf"] = secrets.token_urlsafe(32)
    return str(session["csrf"])


def check_csrf() -> None:
    """Raises :class:`StaleToken` (403) unless the request carries the session's CSRF token (header or form field)."""
    sent = request.headers.get(CSRF_HEADER) or request.form.get(CSRF_FIELD, "")
    expected = session.get("csrf")
    if not isinstance(expected, str) or not _same(sent, expected):
        raise StaleToken("the CSRF token is missing or wrong; reload the page and try again")


def install(app: Flask) -> None:
    """Run the guard before every request of ``app``."""
    app.extensions[_FAILURES] = SignInFailures()
    app.before_request(guard)


def _bearer() -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "surrogateescape"), other.encode("utf-8", "surrogateescape"))


def _token_mark() -> str:
    # A new token ends every session. The cookie is signed but readable, so it contains no part of the token.
    settings = services().settings
    return hmac.new(settings.secret_key.encode(), settings.token.encode(), hashlib.sha256).hexdigest()
