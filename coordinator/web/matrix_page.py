"""The page of what each datapath keeps and carries, as the tests of each host found it."""

from dataclasses import dataclass

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from coordinator.api import matrices as api
from coordinator.api.catalogue import HostView, host_list
from coordinator.scheduling.dispatch import DispatchError
from coordinator.services import services
from coordinator.store.matrices import all_matrices
from coordinator.web.entry import blueprint
from domain.traits import MARKS, TraitMatrix


@dataclass(frozen=True)
class HostMatrix:
    """A host, and what it found, if it has."""

    host: HostView
    matrix: TraitMatrix | None

    @property
    def runs_now(self) -> str:
        """The kernel that the host runs now, where that is another one than it was tested on."""
        release = self.host.capabilities.fingerprint.get("kernel", "").partition(" ")[0]
        return release if self.matrix and release not in ("", self.matrix.kernel) else ""


@blueprint.get("/matrix")
def matrix() -> str:
    """Every host's matrix, each cell with its evidence."""
    with services().store.read() as session:
        found = {one.host: one for one in all_matrices(session)}
        hosts = host_list(session, services().clock())
    return render_template(
        "web/matrix.html",
        hosts=[HostMatrix(host, found.get(host.name)) for host in hosts],
        marks=MARKS,
        asked=request.args.get("asked", ""),
        refused=request.args.get("refused", ""),
    )


@blueprint.post("/hosts/<host>/matrix")
def ask_for_matrix(host: str) -> Response:
    """Ask the host to test its datapaths anew."""
    try:
        refused = api.ask(host)
    except DispatchError as error:
        refused = str(error)
    return redirect(url_for("web.matrix", asked=None if refused else host, refused=refused or None), code=303)
