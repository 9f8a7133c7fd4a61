"""UDP request and response: loss and reordering besides latency."""

from workers.workloads._own import OwnWorkload


class UdpRr(OwnWorkload):
    """64 bytes, echoed. A datagram that does not come back in time is an error."""

    name = "udp_rr"
    summary = "64-byte datagrams echoed: round trips/s, latency, loss."
    service = "udp"
