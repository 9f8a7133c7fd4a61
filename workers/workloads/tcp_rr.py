"""Plain TCP request and response: the path without parsing of a protocol."""

from collections.abc import Mapping
from typing import ClassVar

from domain.loads.workload import Parameter
from workers.workloads._own import OwnWorkload


class TcpRr(OwnWorkload):
    """Small messages, echoed, over persistent connections."""

    name = "tcp_rr"
    summary = "Small messages echoed over persistent TCP connections: round trips/s and latency."
    service = "tcp"
    parameters = (
        Parameter(name="request_bytes", unit="bytes", default=64, minimum=1, maximum=1 << 20,
                  summary="Each message, and its echo."),
    )  # fmt: skip
    options: ClassVar[Mapping[str, str]] = {"request_bytes": "--body-bytes"}
