"""UDP request and response: latency, loss and reordering."""

from collections.abc import Mapping
from typing import ClassVar

from domain.workload import Parameter
from workers.workloads._own import OwnWorkload

_LARGEST = 1472  # fits into one packet of 1,500 bytes; fragments would be another workload


class UdpRr(OwnWorkload):
    """Small datagrams, echoed. If one does not come back in time, it is an error."""

    name = "udp_rr"
    summary = "Datagrams echoed: round trips/s, latency, loss."
    service = "udp"
    parameters = (
        Parameter(name="request_bytes", unit="bytes", default=64, minimum=40, maximum=_LARGEST,
                  summary="Each datagram, and its echo; 40 are the generator's own."),
    )  # fmt: skip
    options: ClassVar[Mapping[str, str]] = {"request_bytes": "--body-bytes"}
