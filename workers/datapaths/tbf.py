"""One token bucket for all clients together: the qdisc tbf on the device towards them.

It holds the sum of the clients' rates. What each client gets of it is up to TCP and to the order of packets.
"""

from contextlib import ExitStack

from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import shaping
from workers.lab import dut
from workers.lab.lab import Lab


class Tbf(Datapath):
    """The kernel routes; tbf holds packets back until there are tokens, and drops what its queue cannot hold."""

    name = "tbf"
    function = "shape"
    summary = "The qdisc tbf: one token bucket with a queue, for the sum of all clients' rates."
    requires = ("program.tc", "qdisc.tbf")

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        """The routed path stays open: without the qdisc, counting fails."""
        devices = stack.enter_context(dut.devices_of(lab))
        one, clients = shaping.asked(lab), len(lab.source_addresses)
        rate, burst, queue = (clients * size for size in (one.bytes_per_s, one.burst_bytes, one.queue_bytes))
        stack.enter_context(
            shaping.root_qdisc(
                lab, f"qdisc add dev {{device}} root handle 1: tbf rate {rate * 8}bit burst {burst} limit {queue}"
            )
        )

        def read() -> tuple[shaping.QueueCounts, shaping.QueueCounts, int]:
            root = shaping.root_counts(lab, "tbf")
            return root, root, 0

        return shaping.QdiscShaping(self.name, lab, devices, read)
