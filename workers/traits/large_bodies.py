"""Do bodies larger than all buffers arrive whole?"""

from domain.trials.traits import Finding
from domain.values.texts import error_text
from workers.traits.base import Bench, Trait, no, yes

BYTES = 4 << 20


class LargeBodies(Trait):
    """Compares one request and one answer byte by byte, both larger than socket buffers."""

    name = "large_bodies"
    title = "bodies over 1 MB"
    summary = f"A request and an answer of {BYTES >> 20} MiB each arrive byte by byte as they were sent."

    def check(self, bench: Bench) -> Finding:
        """See the contract."""
        rig = bench.shared()
        try:
            visit = rig.exchange(BYTES, BYTES)
        except OSError as error:
            return no(f"A request and an answer of {BYTES >> 20} MiB each did not arrive: {error_text(error)}.")
        return yes(f"{visit.received:,} bytes up and {BYTES:,} down, each as it was sent.")
