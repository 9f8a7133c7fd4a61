"""Does the DUT remember each connection?"""

import time
from contextlib import ExitStack
from pathlib import Path

from domain.traits import Finding
from workers.lab import netns
from workers.traits._rig import Rig
from workers.traits.base import Bench, Trait, no, yes

CONNECTIONS = 10
SETTLING_S = 1.0
_ESTABLISHED = "01"  # enum in include/net/tcp_states.h, as /proc/net/tcp has it


class ConnectionState(Trait):
    """What grows with connections that stand."""

    name = "connection_state"
    title = "state per connection"
    summary = (
        f"With {CONNECTIONS} standing connections the DUT has at least as many more sockets, conntrack entries or "
        "entries of the datapath's BPF maps than without; the client's own sockets are not counted."
    )

    def check(self, bench: Bench) -> Finding:
        """See the contract."""
        rig = bench.shared()
        before = _settled(rig)
        with ExitStack() as stack:
            for _ in range(CONNECTIONS):
                stack.enter_context(rig.standing_connection())
            grown = {what: count - before[what] for what, count in _state(rig).items()}
        if rig.lab.client_endpoint.netns == rig.lab.dut_ns:
            grown["sockets"] -= CONNECTIONS
        told = ", ".join(f"{count} {what}" for what, count in grown.items() if count > 0)
        if any(count >= CONNECTIONS for count in grown.values()):
            return yes(f"{CONNECTIONS} standing connections: {told} more in the DUT.")
        return no(f"{CONNECTIONS} standing connections: {told or 'no socket, conntrack entry or map entry'} more.")


def _settled(rig: Rig) -> dict[str, int]:
    """The state once connections of earlier tests have left."""
    until, found = time.monotonic() + SETTLING_S, _state(rig)
    while True:
        time.sleep(0.02)
        earlier, found = found, _state(rig)
        if found == earlier or time.monotonic() > until:
            return found


def _state(rig: Rig) -> dict[str, int]:
    found = netns.call_in(rig.lab.dut_ns, _in_namespace)
    entries = [one.entries() for one in rig.maps]
    return found | {"BPF map entries": sum(count for count in entries if count is not None)}


def _in_namespace() -> dict[str, int]:
    rows = [line.split() for table in ("tcp", "tcp6") for line in _lines(Path("/proc/thread-self/net", table))[1:]]
    tracked = _lines(Path("/proc/sys/net/netfilter/nf_conntrack_count"))
    return {
        "sockets": sum(row[3] == _ESTABLISHED for row in rows),
        "conntrack entries": int(tracked[0]) if tracked else 0,
    }


def _lines(path: Path) -> list[str]:
    """Of a file that a kernel without the feature does not have."""
    return path.read_text().splitlines() if path.exists() else []
