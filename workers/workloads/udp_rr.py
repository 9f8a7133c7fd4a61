"""UDP request and response: latency, loss and reordering."""

from collections.abc import Mapping
from typing import ClassVar

from domain.loads.load import ClosedLoad, OpenLoad
from domain.loads.workload import Parameter
from domain.trials.figures import TrialFigure, TrialFigures
from workers.traffic.results import DATAGRAM_COUNTS
from workers.workloads._own import OwnWorkload
from workers.workloads.base import Observed

_LARGEST = 1472  # fits into one packet of 1,500 bytes; fragments would be another workload
_LONGEST_FLIGHT = 40  # with datagrams of any size, the kernel takes so many at once


class UdpRr(OwnWorkload):
    """Datagrams, echoed, alone or in flights as QUIC sends them. If one does not come back in time, it is an error."""

    name = "udp_rr"
    summary = "Datagrams echoed, alone or in flights: round trips/s, latency, loss."
    service = "udp"
    parameters = (
        Parameter(name="request_bytes", unit="bytes", default=64, minimum=40, maximum=_LARGEST,
                  summary="Each datagram, and its echo; 40 are the generator's own."),
        Parameter(name="datagrams", unit="datagrams", default=1, minimum=1, maximum=_LONGEST_FLIGHT,
                  summary="Of a flight: one request, answered when all are back."),
    )  # fmt: skip
    options: ClassVar[Mapping[str, str]] = {"request_bytes": "--body-bytes"}
    queues: ClassVar[bool] = False  # a socket sends at once, however many echoes are on their way

    def messages(self, values: Mapping[str, int]) -> int:
        """The origin counts datagrams."""
        return values["datagrams"]

    def condition_options(self, level: ClosedLoad | OpenLoad) -> tuple[str, ...]:
        """GSO is an option of the sender's sockets. Origin and relay merge and segment as they receive."""
        return ("--udp-gso",) if level.condition.udp_gso else ()

    def figures(self, observed: Observed) -> TrialFigures:
        """Of the datagrams of the counted slices; none if none came back."""
        sent, back, reordered = (sum(one.counts.get(name, 0) for one in observed.slices) for name in DATAGRAM_COUNTS)
        if not sent or not back:
            return TrialFigures()
        figures = (
            ("datagrams_per_s", "datagrams echoed", "1/s", back / sum(one.duration_s for one in observed.slices)),
            ("cpu_us_per_datagram", "CPU per datagram and echo", "µs", observed.cpu_s * 1e6 / back),
            ("lost_percent", "datagrams lost", "%", max(0, sent - back) / sent * 100),
            ("reordered_percent", "datagrams reordered", "%", reordered / back * 100),
        )
        return TrialFigures(
            figures=tuple(
                TrialFigure(
                    name=name,
                    title=title,
                    unit=unit,
                    signed=name.startswith("cpu"),  # less what an idle host uses, so noise may make it negative
                    most=100.0 if unit == "%" else None,
                    value=value,
                )
                for name, title, unit, value in figures
            )
        )
