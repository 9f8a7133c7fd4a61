"""Server-sent tokens, as an AI gateway carries them."""

from collections.abc import Mapping
from typing import ClassVar

from domain.loads.load import MAX_CONNECTIONS, OpenLoad
from domain.loads.workload import Parameter
from workers.workloads._own import OPEN_CONNECTIONS, OwnWorkload


class Stream(OwnWorkload):
    """Answers of tokens at a cadence: time to the first token, gaps, stalls. The longest answer takes 50 s."""

    name = "stream"
    summary = "HTTP/1.1 answers of tokens at a cadence: time to first token, gaps between tokens."
    parameters = (
        Parameter(name="tokens", unit="tokens", default=16, minimum=1, maximum=1000, summary="Tokens in one answer."),
        Parameter(name="token_bytes", unit="bytes", default=32, minimum=24, maximum=4096, summary="Size of one token."),
        Parameter(name="gap_us", unit="µs", default=5000, minimum=0, maximum=50_000, summary="Between two tokens."),
    )
    options: ClassVar[Mapping[str, str]] = {"gap_us": "--cadence-us"}

    def answer_s(self, values: Mapping[str, int]) -> float:
        """The time of the cadence alone; a gap precedes the first token, too."""
        return values["tokens"] * values["gap_us"] / 1e6

    def open_connections(self, level: OpenLoad, values: Mapping[str, int]) -> int:
        """Twice the number of answers that the cadence alone keeps in progress."""
        under_way = level.rate_per_s * self.answer_s(values)
        return min(MAX_CONNECTIONS, max(OPEN_CONNECTIONS, round(2 * under_way)))
