"""How long a received segment takes until its reader is notified."""

from typing import ClassVar

from domain.probes.place import Place
from probes.base import LabView
from probes.tracing import SIDES, Offsets, TracingProbe


class Notify(TracingProbe):
    """tcp_probe → the first sk_data_ready of the same socket, by the socket's side: TCP's own work on a segment.

    Only segments with payload count: a bare acknowledgement notifies no reader. Nor does a segment that is out of
    order, a duplicate, or larger than the receive buffer's room. The socket is locked from one tracepoint to the
    other, so the next segment shows that the previous one notified no reader. Waking the reader is later, in
    socket_wait.
    """

    name: ClassVar[str] = "notify"
    stage: ClassVar[str] = "notify"
    summary: ClassVar[str] = "TCP's own work on a segment with payload, until it notifies the socket's reader"
    place: ClassVar[Place | None] = Place(order=60)
    roles: ClassVar[tuple[str, ...]] = SIDES
    offsets: ClassVar[Offsets] = {
        "TCP_SEGMENT_SEQ": (("sk_buff", "cb"), ("tcp_skb_cb", "seq")),
        "TCP_SEGMENT_END_SEQ": (("sk_buff", "cb"), ("tcp_skb_cb", "end_seq")),
        "TCP_SEGMENT_FLAGS": (("sk_buff", "cb"), ("tcp_skb_cb", "tcp_flags")),
    }

    def _roles(self, lab: LabView) -> tuple[str, ...]:
        return ()
