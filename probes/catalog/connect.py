"""How long a connect takes."""

from typing import ClassVar

from bpf.chain import Hook
from domain.probes.place import Place
from domain.probes.watched import StageRole
from probes.base import LabView
from probes.tracing import TracingProbe


class Connect(TracingProbe):
    """inet_sock_set_state: SYN_SENT → ESTABLISHED of the same socket, by the side that connects.

    The ``dut`` connects if the datapath has a proxy. Every connect counts, also those whose SYN was sent again; one
    that fails never matches.
    """

    name: ClassVar[str] = "connect"
    stage: ClassVar[str] = "connect"
    summary: ClassVar[str] = "A TCP connect, from its SYN until it is established; the proxy's own are the dut's"
    place: ClassVar[Place | None] = Place(order=10, within={"dut": StageRole("proxy_residence", "to_origin")})
    roles: ClassVar[tuple[str, ...]] = ("client", "dut")
    sample_every: int = 32

    def take_hooks(self) -> tuple[Hook, ...]:
        """None: connects come mostly at a slice's start. Windows would miss them, and watching them costs little."""
        return ()

    def _roles(self, lab: LabView) -> tuple[str, ...]:
        return ()
