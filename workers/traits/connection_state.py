"""Does the DUT keep state for each connection?"""

import time
from contextlib import ExitStack
from pathlib import Path

from domain.trials.traits import Finding
from workers.lab import netns
from workers.traits._rig import Rig
from workers.traits.base import Bench, Trait, no, yes

CONNECTIONS = 10
SETTLING_S = 1.0
_ESTABLISHED = "01"  # TCP_ESTABLISHED of include/net/tcp_states.h, as printed in /proc/net/tcp


class ConnectionState(Trait):
    """Counts what grows with open connections."""

    name = "connection_state"
    title = "state per connection"
    summary = (
        f"With {CONNECTIONS} established connections the DUT has at least as many more sockets, conntrack entries or "
        "entries of the datapath's BPF maps than without; the client's own sockets are not counted."
    )

    def check(self, bench: Bench) -> Finding:
        """See the contract."""
        rig = bench.shared()
        before = _state_at_rest(rig)
        with ExitStack() as stack:
            for _ in range(CONNECTIONS):
                stack.enter_context(rig.open_connection())
            grown = {what: count - before[what] for what, count in _state(rig).items()}
        if rig.lab.client_endpoint.netns == rig.lab.dut_ns:
            grown["sockets"] -= CONNECTIONS
        more = ", ".join(f"{count} {what}" for what, count in grown.items() if count > 0)
        if any(count >= CONNECTIONS for count in grown.values()):
            return yes(f"{CONNECTIONS} established connections: {more} more in the DUT.")
        return no(f"{CONNECTIONS} established connections: {more or 'no socket, conntrack entry or map entry'} more.")


def _state_at_rest(rig: Rig) -> dict[str, int]:
    """The state once connections of earlier tests are gone."""
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
    """The lines of a file; none if the kernel lacks the feature and so the file."""
    return path.read_text().splitlines() if path.exists() else []
