"""The published model of completions a second time, from its description: the truth that tests compare with."""

import math
from dataclasses import dataclass

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15
NAMES = [
    "WAY",
    "MODEL",
    "GREEDY",
    "KEY",
    "ERROR",
    "SLOW",
    "LENGTHY",
    "PROMPT",
    "PROMPT_2",
    "ANSWER",
    "ANSWER_2",
    "FIRST",
    "FIRST_2",
    "GAPS",
]
PLACE = {name: place for place, name in enumerate(NAMES)}


def mix(x: int) -> int:
    """The finaliser of splitmix64."""
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ x >> 27) * 0x94D049BB133111EB & MASK
    return x ^ x >> 31


@dataclass(frozen=True)
class Truth:
    """What one request is like. Times are in nanoseconds."""

    stream: bool
    error: bool
    model: str
    key: str
    prompt_bytes: int
    tokens: int
    first_ns: int


@dataclass(frozen=True)
class Model:
    """The parameters, with the generator's defaults."""

    seed: int = 1
    prompt_tokens: int = 100
    answer_tokens: int = 24
    first_us: int = 40_000
    stream_percent: int = 70
    error_permille: int = 5
    slow_permille: int = 10

    def bits(self, index: int, what: int) -> int:
        return mix((mix((self.seed + GOLDEN * (index + 1)) & MASK) + GOLDEN * (what + 1)) & MASK)

    def uniform(self, index: int, name: str, more: int = 0) -> float:
        return (self.bits(index, PLACE[name] + more) >> 11) * 2.0**-53

    def spread(self, index: int, name: str, sigma: float) -> float:
        radius = math.sqrt(-2 * math.log(1 - self.uniform(index, name)))
        factor = math.exp(sigma * radius * math.cos(2 * math.pi * self.uniform(index, name, 1)))
        return min(3.0, max(1 / 3, factor))

    def of(self, index: int) -> Truth:
        """Request number ``index``."""
        greedy = self.uniform(index, "GREEDY") < 0.25
        longer = 3 if self.uniform(index, "LENGTHY") < 0.05 else 1
        prompt = min(1024, max(1, round(self.prompt_tokens * self.spread(index, "PROMPT", 0.6))))
        first_ns = self.first_us * 1000 * self.spread(index, "FIRST", 0.4) + prompt * 10_000
        return Truth(
            stream=self.uniform(index, "WAY") * 100 < self.stream_percent,
            error=self.uniform(index, "ERROR") * 1000 < self.error_permille,
            model=("small", "large")[self.bits(index, PLACE["MODEL"]) % 2],
            key="k00" if greedy else f"k{1 + self.bits(index, PLACE['KEY']) % 15:02}",
            prompt_bytes=4 * prompt,
            tokens=max(1, round(self.answer_tokens * self.spread(index, "ANSWER", 0.5) * longer)),
            first_ns=int(first_ns) * (8 if self.uniform(index, "SLOW") * 1000 < self.slow_permille else 1),
        )
