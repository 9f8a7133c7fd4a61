"""The blueprint, its error pages, and signing in and out."""

from typing import Any
from urllib.parse import urlsplit

from apiflask import APIBlueprint
from flask import make_response, redirect, render_template, request, url_for
from markupsafe import Markup
from sqlalchemy.exc import InternalError, OperationalError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, TooManyRequests
from werkzeug.wrappers import Response

from coordinator import auth
from coordinator.access import sharing
from coordinator.api.codec import database_words, http_error
from coordinator.logs import request_id
from coordinator.services import services
from coordinator.web.words import FILTERS

blueprint = APIBlueprint(
    "web",
    __name__,
    template_folder="templates",
    static_folder="static",
    static_url_path="/static/web",
    enable_openapi=False,
)
_UNKNOWN = "There is no page at this address."

for _name, _filter in FILTERS.items():
    blueprint.add_app_template_filter(_filter, _name)
blueprint.add_app_template_global(auth.may, "may")


@blueprint.app_context_processor  # also for the page of an address that no route has
def _template_context() -> dict[str, Any]:
    return {
        "signed_in": auth.is_signed_in(),
        "shared": sharing.is_shared(),
        "provider": oidc.host if (oidc := services().settings.oidc) is not None else "",
        "csrf_field": _csrf_field,
        "troubles": services().watch.current().troubles,
    }


def _csrf_field() -> Markup:
    return Markup('<input type="hidden" name="{}" value="{}">').format(auth.CSRF_FIELD, auth.csrf_token())


@blueprint.after_request
def _private(response: Response) -> Response:
    # Pages contain one user's figures and CSRF token: only the user's own cache may store them.
    if request.endpoint != "web.static":
        response.headers.setdefault("Cache-Control", "private, no-store")
    return response


@blueprint.get("/trouble")
def trouble() -> str:
    """The banner of every page: what keeps the service from its work."""
    return render_template("web/_trouble.html")


@blueprint.get("/sign-in")
@auth.public
def sign_in() -> str | Response:
    """The page that asks for the token."""
    if auth.is_signed_in():
        return redirect(local_path(request.args.get("next", "")))
    return sign_in_page("")


@blueprint.post("/sign-in")
@auth.public
def do_sign_in() -> tuple[str, int] | Response:
    """Sign in with the token, then continue to the requested page."""
    auth.check_csrf()
    try:
        if auth.sign_in(request.form.get("token", "")):
            return redirect(local_path(request.form.get("next", "")), code=303)
    except TooManyRequests as error:
        return sign_in_page(error.description or ""), 429
    return sign_in_page("This token is wrong."), 403


@blueprint.post("/sign-out")
def sign_out() -> Response:
    """End the session."""
    auth.sign_out()
    return redirect(url_for("web.sign_in"), code=303)


@blueprint.errorhandler(HTTPException)
def error_page(error: HTTPException) -> Response | tuple[str, int] | HTTPException:
    """What a page shows in its place."""
    if error.code is None or error.code < 400:
        return error
    title = {403: "Not allowed", 404: "Not found"}.get(error.code, error.name)
    logged = request_id() if error.code >= 500 else ""
    return render_template("web/error.html", title=title, message=error.description, logged=logged), error.code


@blueprint.app_errorhandler(NotFound)
@blueprint.app_errorhandler(MethodNotAllowed)
def unknown_address(error: NotFound | MethodNotAllowed) -> Response | tuple[str, int] | HTTPException:
    """What an address shows that no route has: a page, or below /api/ a problem document."""
    if request.path.startswith("/api/"):
        return http_error(error)
    if request.routing_exception is None:  # a page that misses what it is about
        return error_page(error)
    page = make_response(render_template("web/error.html", title="Not found", message=_UNKNOWN), error.code)
    page.headers["Cache-Control"] = "private, no-store"  # it has the CSRF token of its user
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        page.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return page


@blueprint.errorhandler(InternalError)
@blueprint.errorhandler(OperationalError)
def _database(error: OperationalError | InternalError) -> tuple[str, int]:
    return render_template("web/error.html", title="The database cannot be used", message=database_words(error)), 503


def to_sign_in() -> Response:
    """Send a request without a session to the sign-in page (form_page.py decides when)."""
    is_fragment = bool(request.headers.get("HX-Request"))
    if is_fragment:
        shown = urlsplit(request.headers.get("HX-Current-URL", ""))
        wanted = shown.path + (f"?{shown.query}" if shown.query else "")
    else:
        wanted = request.full_path.rstrip("?") if request.method == "GET" else ""
    page = url_for("web.shared", void=1) if sharing.has_opened() else url_for("web.sign_in", next=wanted or None)
    if is_fragment:
        # A fragment must not be replaced by the sign-in page: redirect the whole page.
        response = make_response("", 401)
        response.headers["HX-Redirect"] = page
        return response
    return redirect(page, code=303)


def sign_in_page(error: str) -> str:
    """The page that asks for a token, or offers the provider of OIDC."""
    return render_template("web/sign_in.html", error=error, next=local_path(request.values.get("next", "")))


def local_path(path: str) -> str:
    """``path`` if it stays on this site, else the home page."""
    # Browsers take "//host" and "/\host" as other sites.
    is_local = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_local else url_for("web.home")
