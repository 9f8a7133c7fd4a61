"""How long received packets wait for, and take in, the NET_RX softirq."""

from typing import ClassVar

from probes.base import LabView
from probes.tracing import TracingProbe


class NetRxSoftirq(TracingProbe):
    """softirq_raise → softirq_exit of the run that serves it, vector NET_RX, per CPU.

    A softirq belongs to a CPU, not to a lab: while a lab is watched, the runs of the whole host count.
    """

    name: ClassVar[str] = "net_rx_softirq"
    stage: ClassVar[str] = "net_rx_softirq"
    summary: ClassVar[str] = "The NET_RX softirq from being raised until it is done; host-wide, while a lab is watched"

    def _roles(self, lab: LabView) -> tuple[str, ...]:
        return ()
