"""The page of trait matrices: what each datapath keeps and carries, from the tests of each host."""

from dataclasses import dataclass

from flask import flash, get_flashed_messages, redirect, render_template, url_for
from werkzeug.wrappers import Response

from coordinator.api import matrices as api
from coordinator.api.catalogue import HostView, host_list
from coordinator.scheduling.dispatch import DispatchError
from coordinator.services import services
from coordinator.store.matrices import all_matrices
from coordinator.web.entry import blueprint
from domain.traits import MARKS, TraitMatrix

MAX_MESSAGE = 300  # characters; it travels in the session's cookie


@dataclass(frozen=True)
class HostMatrix:
    """A host and its trait matrix, if it has reported one."""

    host: HostView
    matrix: TraitMatrix | None

    @property
    def runs_now(self) -> str:
        """The host's present kernel, if it differs from the tested one."""
        release = self.host.capabilities.fingerprint.get("kernel", "").partition(" ")[0]
        return release if self.matrix and release not in ("", self.matrix.kernel) else ""


@blueprint.get("/matrix")
def matrix() -> str:
    """Every host's matrix, with the evidence of each cell."""
    with services().store.read() as session:
        found = {one.host: one for one in all_matrices(session)}
        hosts = host_list(session, services().clock())
    return render_template(
        "web/matrix.html",
        hosts=[HostMatrix(host, found.get(host.name)) for host in hosts],
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
    return redirect(url_for("web.matrix"), code=303)
