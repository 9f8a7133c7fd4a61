"""Chats with language models while one of their origins stalls again and again."""

from collections.abc import Mapping

from domain.loads.workload import Parameter
from workers.workloads.llm_chat import LlmChat


class LlmChatStall(LlmChat):
    """``llm_chat``; the fourth origin, one of two for the model ``large``, sends nothing during its stalls.

    What the other model's requests take shows whether one slow origin slows down all.
    """

    name = "llm_chat_stall"
    summary = "llm_chat while one origin stalls again and again: what happens to the requests of others."
    generated = "llm_chat"
    parameters = (
        *LlmChat.parameters,
        Parameter(name="stall_ms", unit="ms", default=400, minimum=0, maximum=5000, summary="Length of each stall."),
        Parameter(name="stall_every_ms", unit="ms", default=1000, minimum=1, maximum=60_000,
                  summary="Period of the stalls."),
    )  # fmt: skip

    def answer_s(self, values: Mapping[str, int]) -> float:
        """A stall delays an answer by its length at most."""
        return super().answer_s(values) + values["stall_ms"] / 1000
