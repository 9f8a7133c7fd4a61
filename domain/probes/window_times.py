"""The times of the requests that were sent while probes were attached."""

from typing import Annotated

from pydantic import Field

from domain.values.bounds import MAX_COUNT, Count, added
from domain.values.frozen import Frozen


class WindowTimes(Frozen):
    """The times of the requests sent while probes were attached: sums over ``requests``."""

    requests: Annotated[int, Field(gt=0, le=MAX_COUNT)]
    service_time_ns: Count = Field(description="From the actual send.")
    latency_ns: Count | None = Field(default=None, description="From the intended send; open loop only.")

    def plus(self, other: "WindowTimes") -> "WindowTimes":
        """The sum with more windows of the same loop."""
        both_open = self.latency_ns is not None and other.latency_ns is not None
        return WindowTimes(
            requests=added(self.requests, other.requests),
            service_time_ns=added(self.service_time_ns, other.service_time_ns),
            latency_ns=added(self.latency_ns or 0, other.latency_ns or 0) if both_open else None,
        )

    @property
    def mean_ns(self) -> float:
        """The mean latency in an open loop, the mean service time in a closed one."""
        whole_ns = self.service_time_ns if self.latency_ns is None else self.latency_ns
        return whole_ns / self.requests

    @property
    def send_wait_ns(self) -> float | None:
        """The mean wait for the actual send; ``None`` in a closed loop."""
        return None if self.latency_ns is None else (self.latency_ns - self.service_time_ns) / self.requests
