"""Does the program that accepts the connection learn its original destination?"""

import socket
import struct

from domain.trials.traits import Finding
from workers.lab import sockets
from workers.traits._rig import OpenConnection, Rig, TraitError
from workers.traits.base import Bench, Trait, no, not_applicable, yes

_SO_ORIGINAL_DST = 80  # include/uapi/linux/netfilter_ipv4.h
_SOCKADDR_IN = struct.Struct("!2xH4s8x")


class OriginalDestination(Trait):
    """Reads the proxy's socket if there is a proxy, else the origin's."""

    name = "original_destination"
    title = "destination kept"
    summary = (
        "The proxy learns the client's destination: its socket has that address and port, or SO_ORIGINAL_DST reports "
        "them. Without a proxy, the origin is reached at them, untranslated."
    )

    def check(self, bench: Bench) -> Finding:
        """See the contract."""
        rig = bench.shared()
        client = rig.lab.client_endpoint
        if client.address in (rig.lab.dut_client_address, rig.lab.dut_server_address):
            return not_applicable("The client connects to the proxy itself and names no other destination.")
        with rig.open_connection() as opened:
            at_origin = rig.visit_of(opened.token).reached_at
            if rig.proxies:
                return _at_proxy((client.address, client.port), at_origin, *_destinations_at_proxy(rig, opened))
        if at_origin == (client.address, client.port):
            return yes(f"The client connected to {_words(at_origin)}, and the origin was reached at the same address.")
        wanted = (client.address, client.port)
        return no(f"The client connected to {_words(wanted)}, the origin was reached at {_words(at_origin)}.")


def _at_proxy(
    wanted: tuple[str, int], at_origin: tuple[str, int], own: tuple[str, int], tracked: tuple[str, int] | None
) -> Finding:
    onward = "" if at_origin == wanted else f"; the origin was then reached at {_words(at_origin)}"
    if own == wanted:
        return yes(f"The client connected to {_words(wanted)}, which is the address of the proxy's socket{onward}.")
    if tracked == wanted:
        return yes(
            f"The client connected to {_words(wanted)}; the proxy's socket has {_words(own)}, and SO_ORIGINAL_DST "
            f"reports the destination{onward}."
        )
    option = f"SO_ORIGINAL_DST reports {_words(tracked)}" if tracked else "SO_ORIGINAL_DST reports nothing"
    return no(
        f"The client connected to {_words(wanted)}; the proxy's socket has {_words(own)}, {option}: it connects to "
        "the origin of its configuration."
    )


def _destinations_at_proxy(rig: Rig, opened: OpenConnection) -> tuple[tuple[str, int], tuple[str, int] | None]:
    """The local address of the proxy's socket for the client's connection, and the destination in conntrack."""
    for process in rig.proxy_ids:
        descriptor = sockets.connected_socket(process, opened.client)
        if descriptor is None:
            continue
        with socket.socket(fileno=descriptor) as theirs:
            own = theirs.getsockname()
            try:
                raw = theirs.getsockopt(socket.SOL_IP, _SO_ORIGINAL_DST, _SOCKADDR_IN.size)
            except OSError:
                return (own[0], own[1]), None
            port, packed = _SOCKADDR_IN.unpack(raw)
            return (own[0], own[1]), (socket.inet_ntoa(packed), port)
    raise TraitError("no proxy of the lab has the client's connection")


def _words(endpoint: tuple[str, int]) -> str:
    return f"{endpoint[0]}:{endpoint[1]}"
