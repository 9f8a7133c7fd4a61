"""Signing in at a provider of OpenID Connect, if one is set."""

from dataclasses import astuple

from flask import current_app, make_response, redirect, render_template, request, url_for
from itsdangerous import BadData, URLSafeTimedSerializer
from werkzeug.wrappers import Response

from coordinator import auth
from coordinator.access import oidc
from coordinator.services import services
from coordinator.store.people.sessions import Holder
from coordinator.web.entry import blueprint, local_path, sign_in_page

_COOKIE = "showdown_sign_in"


@blueprint.get("/sign-in/oidc")
@auth.public
def sign_in_oidc() -> Response | tuple[str, int]:
    """Send the browser to the provider."""
    settings = services().settings.oidc
    if settings is None:
        return redirect(url_for("web.sign_in"))
    try:
        address, flow = oidc.begin(settings, _redirect_uri(), local_path(request.args.get("next", "")))
    except oidc.SignInFailed as error:
        return sign_in_page(str(error)), 502
    response = make_response(redirect(address, code=303))
    # Lax: the browser comes back from another site. The session's own cookie is Strict.
    response.set_cookie(
        _COOKIE, _serializer().dumps(astuple(flow)), max_age=int(oidc.FLOW_S), path=url_for("web.finish_oidc"),
        httponly=True, secure=request.is_secure or services().settings.secure_cookies, samesite="Lax",
    )  # fmt: skip
    return response


@blueprint.get("/sign-in/oidc/done")
@auth.public
def finish_oidc() -> Response:
    """Where the provider sends the browser back to."""
    settings = services().settings.oidc
    if settings is None:
        return redirect(url_for("web.sign_in"))
    flow = _kept_flow()
    try:
        who = oidc.finish(settings, _redirect_uri(), flow, request.args)
    except oidc.SignInFailed as error:
        response = make_response(sign_in_page(str(error)), 403)
    else:
        auth.begin_session(who, Holder(person=who.name, scope=who.scope.value))
        # A redirect would still be part of the provider's, and browsers send no Strict cookie with it.
        wanted = flow.wanted if flow is not None else url_for("web.home")
        response = make_response(render_template("web/signed_in.html", wanted=wanted, who=who.text))
    response.delete_cookie(_COOKIE, path=url_for("web.finish_oidc"))
    return response


def _kept_flow() -> oidc.Flow | None:
    try:
        kept = _serializer().loads(request.cookies.get(_COOKIE, ""), max_age=int(oidc.FLOW_S))
        return oidc.Flow(*map(str, kept))
    except (BadData, TypeError):
        return None


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(str(current_app.secret_key), salt="oidc")


def _redirect_uri() -> str:
    return services().settings.web_url + url_for("web.finish_oidc")
