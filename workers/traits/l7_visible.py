"""Does a user-space program have the bytes in its memory?"""

import re
from pathlib import Path

from domain.trials.traits import Finding
from workers.traits.base import Bench, Trait, no, yes

WORDS = 8
PADDING = b"." * 256
"""Around each word, because an allocator overwrites the first bytes of a freed buffer."""

_WRITABLE = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) rw")
_CHUNK = 1 << 20


class L7Visible(Trait):
    """Searches the proxy's memory for what the client has sent."""

    name = "l7_visible"
    title = "L7 visible"
    summary = (
        "A random word that the client sends is found in the memory of the proxy: it could parse, change or log it. "
        "Bytes that the kernel moves for a proxy (splice, socket maps) are not there."
    )

    def check(self, bench: Bench) -> Finding:
        """See the contract."""
        rig = bench.shared()
        if not rig.proxies:
            return no("No user-space program is on the path.")
        words = [f"{rig.token()}{rig.token()}".encode() for _ in range(WORDS)]
        with rig.open_connection() as opened:
            for word in words:
                opened.echo(PADDING + word + PADDING)
            found = set().union(*(_found(process, words) for process in rig.proxy_ids))
        name = Path(f"/proc/{rig.proxies[0].pid}/comm").read_text(errors="replace").strip()
        if found:
            return yes(f"Of {WORDS} random words that the client sent, {len(found)} could be read in {name}'s memory.")
        return no(f"None of {WORDS} random words that the client sent was in the memory of {name}.")


def _found(process: int, words: list[bytes]) -> set[bytes]:
    """Which of the words are in the process's writable memory. Raises ``OSError``."""
    found: set[bytes] = set()
    overlap = max(map(len, words))
    with Path(f"/proc/{process}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{process}/maps").read_text(errors="replace").splitlines():
            if not (span := _WRITABLE.match(line)):
                continue
            begin, end = (int(edge, 16) for edge in span.groups())
            for at in range(begin, end, _CHUNK):
                memory.seek(at)
                try:
                    part = memory.read(min(_CHUNK + overlap, end - at))
                except OSError:  # device memory, or unmapped meanwhile
                    continue
                found |= {word for word in words if word in part}
    return found
