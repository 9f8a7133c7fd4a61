"""Delay on the network: the qdisc netem at client and server holds each packet that these hosts send.

A BPF program cannot hold a packet. Kernels without netem refuse the condition. There, an origin that answers late is
the only delay, as workloads with a cadence have it.
"""

import contextlib
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from workers.lab import netns
from workers.lab.lab import Lab, LabError

HOSTS = ("client", "server")
LIMIT_PACKETS = 100_000  # netem drops above it: 100,000 packets/s may be delayed for a second


@contextmanager
def delaying(lab: Lab, delay_us: int) -> Iterator[None]:
    """Delay what client and server send, until the context ends. Raises ``LabError`` with nothing left behind."""
    with ExitStack() as stack:
        for host in HOSTS:
            stack.callback(netns.call_in, lab.netns_of(host), lambda host=host: _remove(lab.ifindex(host)))
            try:
                netns.run_in(lab.netns_of(host), arguments(lab.devices[host], delay_us))
            except (OSError, subprocess.SubprocessError) as error:
                raise LabError(f"tc: {' '.join(netns.complaint(error).split())[:300]}") from error
        yield


def arguments(device: str, delay_us: int) -> list[str]:
    """The command that puts netem on a device."""
    delay = ["netem", "delay", f"{delay_us}us", "limit", str(LIMIT_PACKETS)]
    return ["tc", "qdisc", "add", "dev", device, "root", "handle", "1:", *delay]


def _remove(index: int) -> None:
    with IPRoute() as ip, contextlib.suppress(NetlinkError):  # it was not added, or is gone already
        ip.tc("del", index=index, root=True)
