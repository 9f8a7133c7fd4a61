"""Does the datapath carry IPv6?"""

from domain.trials.traits import Finding
from domain.values.texts import error_text
from workers.datapaths.base import DatapathError
from workers.lab import sysctls
from workers.traits._rig import TraitError
from workers.traits.base import Bench, Trait, no, not_run, yes

BYTES = 100_000


class Ipv6(Trait):
    """Runs a conversation in an IPv6 lab, even if the datapath states IPv4 only."""

    name = "ipv6"
    title = "IPv6"
    summary = "In a lab with IPv6 addresses it can be attached, and a conversation crosses it byte by byte."

    def check(self, bench: Bench) -> Finding:
        """See the contract. If the lab cannot be built, the test is an error."""
        if 6 not in sysctls.versions():
            return not_run("This kernel has no IPv6.")
        try:
            with bench.fresh(ip_version=6) as rig:
                visit = rig.exchange(BYTES, BYTES)
                if ":" not in visit.reached_at[0]:
                    raise TraitError(f"the lab does not use IPv6: its origin was reached at {visit.reached_at[0]}")
                counted = rig.attachment.counters()
                if counted.leaked_packets:
                    return no(f"A conversation crossed, but {counted.leaked_packets} packets bypassed the datapath.")
                return yes(
                    f"{BYTES:,} bytes each way; the origin saw {visit.peer[0]} connect to {visit.reached_at[0]}."
                )
        except (DatapathError, OSError, ValueError) as error:
            return no(f"In an IPv6 lab: {error_text(error)}.")
