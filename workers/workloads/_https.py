"""What the workloads of showdown-traffic over TLS share.

The client speaks TLS 1.3 with the datapath if that terminates it, or else with the origin.
"""

from collections.abc import Mapping
from typing import ClassVar

from domain.loads.workload import Parameter
from workers.origins.base import MAX_BODY_BYTES, body_of
from workers.workloads._own import OwnWorkload, body_bytes

RESUMED = Parameter(
    name="resumed_percent", unit="%", default=0, minimum=0, maximum=100,
    summary="Connections that resume a TLS session, as soon as there is one; the others make a full handshake.",
)  # fmt: skip


class HttpsWorkload(OwnWorkload):
    """Answered by nginx, with or without TLS; the generator compares the bodies."""

    origin = "nginx"
    service = "https"
    path = "/"
    parameters: ClassVar[tuple[Parameter, ...]] = (body_bytes(64, MAX_BODY_BYTES, "Body of each answer."), RESUMED)
    options: ClassVar[Mapping[str, str]] = {"resumed_percent": "--resume-percent"}

    def answer(self, values: Mapping[str, int]) -> bytes:
        """The body that nginx sends and the generator expects."""
        return body_of(values["body_bytes"])
