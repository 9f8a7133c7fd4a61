"""Does whoever takes the connection learn whom the client asked?"""

import socket
import struct

from domain.traits import Finding
from workers.lab import sockets
from workers.traits._rig import Rig, Standing, TraitError
from workers.traits.base import Bench, Trait, no, not_applicable, yes

_SO_ORIGINAL_DST = 80  # include/uapi/linux/netfilter_ipv4.h
_SOCKADDR_IN = struct.Struct("!2xH4s8x")


class OriginalDestination(Trait):
    """The proxy's socket is asked where there is a proxy, else the origin's."""

    name = "original_destination"
    title = "destination kept"
    summary = (
        "The address and port that the client asked reach the proxy (its socket bears them, or SO_ORIGINAL_DST tells "
        "them); without a proxy, they reach the origin untranslated."
    )

    def check(self, bench: Bench) -> Finding:
        """See the contract."""
        rig = bench.shared()
        ends = rig.lab.client_endpoint
        if ends.address in (rig.lab.dut_client_address, rig.lab.dut_server_address):
            return not_applicable("The client asks the proxy itself: it names no other destination.")
        with rig.standing_connection() as standing:
            at_origin = rig.visit_of(standing.token).asked
            if rig.proxies:
                return _at_proxy((ends.address, ends.port), at_origin, *_told_to_proxy(rig, standing))
        if at_origin == (ends.address, ends.port):
            return yes(f"The client asked {_words(at_origin)}, and so the origin was asked.")
        return no(f"The client asked {ends.address}:{ends.port}, the origin was asked as {_words(at_origin)}.")


def _at_proxy(
    wanted: tuple[str, int], at_origin: tuple[str, int], own: tuple[str, int], tracked: tuple[str, int] | None
) -> Finding:
    onward = "" if at_origin == wanted else f"; the origin was then asked as {_words(at_origin)}"
    if own == wanted:
        return yes(f"The client asked {_words(wanted)}, which is what the proxy's socket bears{onward}.")
    if tracked == wanted:
        return yes(
            f"The client asked {_words(wanted)}; the proxy's socket bears {_words(own)}, and SO_ORIGINAL_DST tells "
            f"what was asked{onward}."
        )
    told = f"SO_ORIGINAL_DST tells {_words(tracked)}" if tracked else "SO_ORIGINAL_DST knows nothing"
    return no(
        f"The client asked {_words(wanted)}; the proxy's socket bears {_words(own)}, {told}: it asks whom its "
        "configuration names."
    )


def _told_to_proxy(rig: Rig, standing: Standing) -> tuple[tuple[str, int], tuple[str, int] | None]:
    """What the proxy's socket for the client's connection bears, and what connection tracking says of it."""
    for proxy in rig.proxies:
        descriptor = sockets.connected_socket(proxy.pid, standing.client)
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
    raise TraitError("no proxy of the lab holds the client's connection")


def _words(endpoint: tuple[str, int]) -> str:
    return f"{endpoint[0]}:{endpoint[1]}"
