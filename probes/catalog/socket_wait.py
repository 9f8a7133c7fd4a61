"""How long received data waits for its reader."""

from typing import ClassVar

from domain.probes.place import Place
from probes.base import LabView
from probes.tracing import SIDES, Offsets, TracingProbe


class SocketWait(TracingProbe):
    """sk_data_ready → the sock_recv_length > 0 that begins to read that data, by the TCP socket's side.

    Data that arrives while older data is unread belongs to the older wait: one read ends one wait, the oldest. Data
    that arrives during a read and is not part of it begins its own wait. The time includes the reader's run_queue. If a
    program splices the data, the probe sees no read.
    """

    name: ClassVar[str] = "socket_wait"
    stage: ClassVar[str] = "socket_wait"
    summary: ClassVar[str] = "How long received data waits in its socket until the program begins to read it"
    place: ClassVar[Place | None] = Place(order=80)
    roles: ClassVar[tuple[str, ...]] = SIDES
    offsets: ClassVar[Offsets] = {
        "SOCK_PROTOCOL": (("sock", "sk_protocol"),),
        "SOCK_STATE": (("sock", "__sk_common"), ("sock_common", "skc_state")),
        "SOCK_PORTS": (("sock", "__sk_common"), ("sock_common", "skc_portpair")),
        "TCP_SOCK_COPIED_SEQ": (("tcp_sock", "copied_seq"),),
        "TCP_SOCK_RCV_NXT": (("tcp_sock", "rcv_nxt"),),
    }

    def _roles(self, lab: LabView) -> tuple[str, ...]:
        return ()
