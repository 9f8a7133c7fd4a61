"""Does the datapath pass on a half-close, so that the other direction goes on?"""

import socket

from domain.trials.traits import Finding
from domain.values.texts import error_text
from workers.traits._rig import Rig, receive
from workers.traits._witness import Order, body
from workers.traits.base import Bench, Trait, no, not_applicable, yes

BYTES = 100_000
WAIT_S = 2.0


class HalfClose(Trait):
    """Tests both directions: the client closes first, and the origin closes first."""

    name = "half_close"
    title = "half-close"
    summary = (
        f"A client that has ended its side still gets all of the answer ({BYTES:,} bytes, begun only at that end), and "
        "an origin that has ended its side still gets all that the client sends then."
    )

    def check(self, bench: Bench) -> Finding:
        """See the contract."""
        rig = bench.shared()
        if rig.http:
            return not_applicable("It carries HTTP, whose messages end by themselves: connections are its own.")
        answered, taken = _client_ends_first(rig), _origin_ends_first(rig)
        if answered == taken == "":
            return yes(f"The side that closed first still got exactly {BYTES:,} bytes from the other.")
        failed = [
            f"after the client's end {answered}" if answered else "",
            f"after the origin's end {taken}" if taken else "",
        ]
        worked = "" if answered and taken else " The other way works."
        return no(f"{'; '.join(filter(None, failed)).capitalize()}.{worked}")


def _client_ends_first(rig: Rig) -> str:
    """What failed, in words; empty if nothing did."""
    token = rig.token()
    received = b""
    try:
        with rig.connect() as connection:
            connection.settimeout(WAIT_S)
            connection.sendall(Order(token, takes=None, gives=BYTES).line() + body(token, "up", BYTES))
            connection.shutdown(socket.SHUT_WR)
            received = receive(connection, BYTES)
    except OSError as error:
        return f"the answer was cut off ({error_text(error)})"
    if received != body(token, "down", BYTES):
        return f"{len(received):,} of {BYTES:,} bytes of the answer came, or other ones"
    if not rig.visit_of(token).got(body(token, "up", BYTES)):
        return "the origin had not received what was sent before"
    return ""


def _origin_ends_first(rig: Rig) -> str:
    token = rig.token()
    sent = body(token, "up", BYTES)
    try:
        with rig.connect() as connection:
            connection.settimeout(WAIT_S)
            connection.sendall(Order(token, takes=BYTES, gives=BYTES, first=True).line())
            if receive(connection, BYTES + 1) != body(token, "down", BYTES):
                return "the answer was not the one that was sent"
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            if not rig.visit_of(token).got(sent):
                return f"{rig.visit_of(token).received:,} of {BYTES:,} bytes reached it"
    except OSError as error:
        return f"the client could not go on ({error_text(error)})"
    return ""
