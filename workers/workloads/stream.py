"""Server-sent tokens, as an AI gateway carries them."""

from domain.load import MAX_CONNECTIONS, OpenLoad
from workers.workloads._own import OPEN_CONNECTIONS, OwnWorkload

TOKENS, CADENCE_MS = 16, 5


class Stream(OwnWorkload):
    """An answer of 16 tokens of 32 bytes, one every 5 ms: time to the first token, gaps, stalls."""

    name = "stream"
    summary = "HTTP/1.1 answers of 16 tokens at 5 ms: time to first token, gaps between tokens."
    options = ("--tokens", str(TOKENS), "--token-bytes", "32", "--cadence-us", str(CADENCE_MS * 1000))

    def open_connections(self, level: OpenLoad) -> int:
        """Twice what the cadence alone keeps under way."""
        under_way = level.rate_per_s * TOKENS * CADENCE_MS / 1000
        return min(MAX_CONNECTIONS, max(OPEN_CONNECTIONS, round(2 * under_way)))
