"""The blueprint, its error pages, and signing in and out."""

from typing import Any

from apiflask import APIBlueprint
from flask import make_response, redirect, render_template, request, url_for
from markupsafe import Markup
from sqlalchemy.exc import InternalError, OperationalError
from werkzeug.exceptions import HTTPException, TooManyRequests
from werkzeug.wrappers import Response

from coordinator import auth
from coordinator.api.codec import database_words
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
for _name, _filter in FILTERS.items():
    blueprint.add_app_template_filter(_filter, _name)


@blueprint.context_processor
def _template_context() -> dict[str, Any]:
    return {
        "signed_in": auth.is_signed_in(),
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
        return redirect(_local(request.args.get("next", "")))
    return _sign_in_page("")


@blueprint.post("/sign-in")
@auth.public
def do_sign_in() -> tuple[str, int] | Response:
    """Sign in with the token, then continue to the requested page."""
    auth.check_csrf()
    try:
        if auth.sign_in(request.form.get("token", "")):
            return redirect(_local(request.form.get("next", "")), code=303)
    except TooManyRequests as error:
        return _sign_in_page(error.description or ""), 429
    return _sign_in_page("This token is wrong."), 403


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
    return render_template("web/error.html", title=title, message=error.description), error.code


@blueprint.errorhandler(InternalError)
@blueprint.errorhandler(OperationalError)
def _database(error: OperationalError | InternalError) -> tuple[str, int]:
    return render_template("web/error.html", title="The database cannot be used", message=database_words(error)), 503


def to_sign_in() -> Response:
    """Send a request without a session to the sign-in page (form_page.py decides when)."""
    wanted = request.full_path.rstrip("?") if request.method == "GET" else ""
    if request.headers.get("HX-Request"):
        # A fragment must not be replaced by the sign-in page: redirect the whole page.
        response = make_response("", 401)
        response.headers["HX-Redirect"] = url_for("web.sign_in")
        return response
    return redirect(url_for("web.sign_in", next=wanted or None), code=303)


def _sign_in_page(error: str) -> str:
    return render_template("web/sign_in.html", error=error, next=_local(request.values.get("next", "")))


def _local(path: str) -> str:
    """``path`` if it stays on this site, else the home page."""
    # Browsers take "//host" and "/\host" as other sites.
    is_local = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_local else url_for("web.home")
