"""The page of hosts: what they can run; enrol them, revoke their tokens, drain and remove them."""

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from coordinator.api import hosts as api
from coordinator.api.catalogue import enrolment_list, host_list
from coordinator.services import services
from coordinator.store.hosts.enrolments import AlreadyEnrolled
from coordinator.store.hosts.host_work import work_by_host
from coordinator.web import grafana
from coordinator.web.entry import blueprint
from coordinator.web.host_problems import attention, lacking, missing_features
from domain.values.problems import InvalidInput


@blueprint.get("/hosts")
def hosts() -> str:
    """Hosts, what they can run, and why they cannot run the rest."""
    return _page()


@blueprint.post("/hosts")
def enrol_host() -> tuple[str, int]:
    """Enrol a host. The answer is the only page that shows its token, so it is not behind a redirect."""
    host = request.form.get("host", "").strip()
    try:
        token = api.enrol(host, replace=bool(request.form.get("replace")))
    except InvalidInput as error:
        return _page(host=host, error=f"The name {error.problems[0].message}."), 422
    except AlreadyEnrolled:
        return _page(host=host, error=f"{host} has been enrolled before: check “replace” to make a new token."), 409
    return _page(host=host, token=token), 201


@blueprint.post("/hosts/<host>/revoke")
def revoke_host(host: str) -> Response:
    """Make a host's token void."""
    api.revoke(host)
    return redirect(url_for("web.hosts"), code=303)


@blueprint.post("/hosts/<host>/drain")
def drain_host(host: str) -> Response:
    """Give a host no new blocks."""
    api.drain(host)
    return redirect(url_for("web.hosts"), code=303)


@blueprint.post("/hosts/<host>/undrain")
def undrain_host(host: str) -> Response:
    """Give a drained host blocks again."""
    api.undrain(host)
    return redirect(url_for("web.hosts"), code=303)


@blueprint.post("/hosts/<host>/remove")
def remove_host(host: str) -> Response:
    """Forget a host; its results stay."""
    api.remove(host)
    return redirect(url_for("web.hosts"), code=303)


def _page(*, host: str = "", token: str = "", error: str = "") -> str:
    with services().store.read() as session:
        found, enrolled = host_list(session, services().clock()), enrolment_list(session)
        work = work_by_host(session)
    registered, tokens = {one.name for one in found}, {one.host: one for one in enrolled}
    needs = {one.name: words for one in found if (words := attention(one, tokens.get(one.name)))}
    return render_template(
        "web/hosts.html",
        hosts=sorted(found, key=lambda one: one.name not in needs),
        needs=needs,
        missing={one.name: missing_features(one.capabilities) for one in found},
        lacking={one.name: lacking(one.capabilities) for one in found},
        work=work,
        enrolments=tokens,
        unseen=[one for one in enrolled if one.host not in registered],
        grafana=grafana.hosts_link(),
        wanted=host,
        token=token,
        error=error,
        coordinator_url=services().settings.web_url or request.host_url.rstrip("/"),
    )
