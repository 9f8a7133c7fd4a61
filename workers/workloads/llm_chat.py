"""Chats with language models behind an AI gateway: streams and whole answers, API keys, models."""

from collections.abc import Mapping
from typing import ClassVar

from domain.loads.load import MAX_CONNECTIONS, OpenLoad
from domain.loads.workload import Parameter
from domain.trials.figures import TrialFigures
from workers.traffic.base import TargetTraffic
from workers.workloads._llm import figures_of
from workers.workloads._own import OPEN_CONNECTIONS, OwnWorkload
from workers.workloads.base import Observed

SPREAD = 3  # lengths and times are at most so many medians (llm_model.c)
LONGER = 3  # … of a long answer's tokens
SLOWER = 8
JITTER = 1.5
PROMPT_S = 1024 * 10e-6  # of the longest prompt
MAX_BUNCHED_SHARE = 0.05  # of the streams: a busy host bunches a few, and what buffers bunches nearly all


class LlmChat(OwnWorkload):
    """Completions as the published model draws them (workers/traffic/README.md): the same for every datapath."""

    name = "llm_chat"
    summary = "Completions of language models, streamed or whole: first token, gaps, limits of API keys."
    counts_by_name = True
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(name="answer_tokens", unit="tokens", default=24, minimum=1, maximum=500,
                  summary="Median length of an answer; one in twenty is three times as long."),
        Parameter(name="prompt_tokens", unit="tokens", default=100, minimum=1, maximum=500,
                  summary="Median length of a prompt, of four bytes a token."),
        Parameter(name="first_us", unit="µs", default=40_000, minimum=0, maximum=1_000_000,
                  summary="Median time of the origin to the first token."),
        Parameter(name="gap_us", unit="µs", default=4000, minimum=0, maximum=100_000,
                  summary="Mean time between two tokens; each differs by up to a half."),
        Parameter(name="stream_percent", unit="%", default=70, minimum=0, maximum=100,
                  summary="Share of answers that are streams of server-sent events."),
        Parameter(name="error_permille", unit="‰", default=5, minimum=0, maximum=20,
                  summary="Requests that every other origin answers with status 503."),
        Parameter(name="slow_permille", unit="‰", default=10, minimum=0, maximum=1000,
                  summary="Requests whose first token takes eight times as long."),
        Parameter(name="seed", unit="seed", default=1, minimum=0, maximum=1 << 32, summary="Seed of the model."),
    )  # fmt: skip

    def _option(self, parameter: str) -> str:
        return f"--llm-{parameter}"

    def answer_s(self, values: Mapping[str, int]) -> float:
        """The longest answer that the model can draw."""
        first_s = (values["first_us"] * SPREAD / 1e6 + PROMPT_S) * SLOWER
        return first_s + values["answer_tokens"] * SPREAD * LONGER * values["gap_us"] * JITTER / 1e6

    def open_connections(self, level: OpenLoad, values: Mapping[str, int]) -> int:
        """Four times the number of usual answers in progress: long ones are in progress for longer."""
        usual_s = (values["first_us"] + values["answer_tokens"] * values["gap_us"]) / 1e6
        return min(MAX_CONNECTIONS, max(OPEN_CONNECTIONS, round(4 * level.rate_per_s * usual_s)))

    def check(self, traffic: TargetTraffic, answer_bytes: int) -> list[str]:
        """Bodies, and that streams arrive as they were sent: not held back and then passed on at once."""
        found = super().check(traffic, answer_bytes)
        streams, bunched = (traffic.named.get(name, 0) for name in ("streams", "bunched"))
        if bunched > MAX_BUNCHED_SHARE * streams:
            found.append(
                f"{bunched:,} of {streams:,} streams were held back: their tokens came in less than half the time"
            )
        return found

    def figures(self, observed: Observed) -> TrialFigures:
        """Times to the first token, gaps, streams held, and what limits did."""
        return figures_of(observed)
