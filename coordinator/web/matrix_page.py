"""The page of trait matrices: what each datapath preserves and supports, from the tests of each host."""

from dataclasses import dataclass, replace

from flask import flash, get_flashed_messages, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from coordinator.api import matrices as api
from coordinator.api.catalogue import HostView, host_list
from coordinator.scheduling.dispatch import DispatchError
from coordinator.services import services
from coordinator.store.capabilities.matrices import all_matrices
from coordinator.web.entry import blueprint
from domain.trials.traits import MARKS, TraitMatrix

MAX_MESSAGE = 300  # characters; it travels in the session's cookie


@dataclass(frozen=True)
class HostMatrix:
    """A host and its trait matrix, if it has reported one."""

    host: HostView
    matrix: TraitMatrix | None
    is_awaited: bool = False

    @property
    def measured_at(self) -> str:
        """When it was measured; empty if the host has reported none."""
        return self.matrix.measured_at.isoformat() if self.matrix else ""

    @property
    def runs_now(self) -> str:
        """The host's present kernel, if it differs from the tested one."""
        release = self.host.capabilities.fingerprint.get("kernel", "").partition(" ")[0]
        return release if self.matrix and release not in ("", self.matrix.kernel) else ""


@blueprint.get("/matrix")
def matrix() -> str:
    """Every host's matrix, with the evidence of each cell. The host that was asked is polled until it has a new one."""
    asked, earlier = request.args.get("asked", ""), request.args.get("earlier", "")
    hosts = []
    for one in _all():
        is_awaited = one.host.name == asked and one.measured_at == earlier and one.host.online
        hosts.append(replace(one, is_awaited=is_awaited))
    return render_template(
        "web/matrix.html",
        hosts=hosts,
        marks=MARKS,
        messages=get_flashed_messages(with_categories=True),
    )


@blueprint.post("/hosts/<host>/matrix")
def ask_for_matrix(host: str) -> Response:
    """Ask the host to test its datapaths again."""
    try:
        refused = api.ask(host)
    except DispatchError as error:
        refused = str(error)
    flash(refused[:MAX_MESSAGE] if refused else host, "refused" if refused else "asked")
    earlier = next((one.measured_at for one in _all() if one.host.name == host), "")
    asked = None if refused else host
    return redirect(url_for("web.matrix", asked=asked, earlier=earlier if asked else None), code=303)


def _all() -> list[HostMatrix]:
    with services().store.read() as session:
        found = {one.host: one for one in all_matrices(session)}
        hosts = host_list(session, services().clock())
    return [HostMatrix(host, found.get(host.name)) for host in hosts]
