"""A proxy that clients connect to themselves, without any steering."""

from contextlib import ExitStack

from workers.datapaths.lib import haproxy
from workers.datapaths.lib.proxied import LISTEN_PORT, Proxied, SteeringCounters
from workers.lab import addresses, dut
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab


def endpoint(lab: Lab) -> ClientEndpoint:
    """The client connects to the proxy, and the origin sees the proxy."""
    return ClientEndpoint(lab.client_ns, lab.dut_client_address, LISTEN_PORT, expected_source=lab.dut_server_address)


def proxying(lab: Lab) -> haproxy.Proxying:
    """HAProxy on the DUT's own address, with the origin in its configuration."""
    origin = addresses.endpoint(lab.server_address, lab.origin_port)
    return haproxy.Proxying(transparent=False, keeps_client=False, origin=origin)


def attach(name: str, lab: Lab, stack: ExitStack, how: haproxy.Proxying) -> Proxied[haproxy.HaProxy]:
    """The datapath ``name``: the proxy, on a closed path."""
    path = stack.enter_context(dut.closed_path(lab))
    devices = stack.enter_context(dut.devices_of(lab))
    proxy = stack.enter_context(haproxy.running(lab, how))
    return Proxied(name, proxy, path, lambda: SteeringCounters(devices.received("dut_client")))
