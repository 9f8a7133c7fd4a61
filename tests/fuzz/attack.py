"""Sends requests to a target and judges each answer: what a refusal must never be, and what it must never leave."""

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

from tests.fuzz.mutations import mutated
from tests.fuzz.seeds import seeds
from tests.fuzz.target import Target
from tests.fuzz.watches import FileWatch
from tests.fuzz.wsgi import Answer, Request

ROUND = 100  # requests between two restorations of the database
SLOW_CPU_S = 8.0  # the slowest takes 2.7 s on a quiet machine: a report of 15 MB; beside other tests, up to twice that
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
NOT_READY = b"/readyz"  # its 503 is the truth: no broker is there
GZIP = b"\x1f\x8b"  # RFC 1952: how packed answers begin
SET_ASIDE = b"is set aside:"


class Kind(StrEnum):
    """What must not happen."""

    SERVER_ERROR = "server_errors"
    SET_ASIDE = "set_aside"
    """An error that was contained: the service goes on, and its cause is a bug nevertheless."""
    SIDE_EFFECT = "side_effects"
    SHAPE = "misshapen_errors"
    SLOW = "slow"


@dataclass(frozen=True)
class Finding:
    """One bug, with the request that shows it."""

    kind: Kind
    detail: str
    request: Request

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}\n  made of {self.request.name}\n  {self.request.as_curl()}"


@dataclass
class Attack:
    """Findings so far, and how many requests got which class of status."""

    target: Target
    files: FileWatch
    findings: list[Finding] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    sent: int = 0

    def send(self, request: Request) -> Answer:
        """Send one and judge the answer."""
        target, messages = self.target, self.target.messages()
        with self.files.watching():
            answer = target.client.send(request)
        self.sent += 1
        self.statuses[answer.status] += 1
        wrong = [*_judged(request, answer), *((Kind.SIDE_EFFECT, one) for one in self.files.found())]
        changes = target.watch.changes()
        if answer.status >= 400 or request.method in SAFE:
            wrong += [(Kind.SIDE_EFFECT, f"{answer.status}, and {one}") for one in changes]
            if target.messages() != messages:
                wrong.append((Kind.SIDE_EFFECT, f"{answer.status}, and a message was sent"))
        self.findings += [Finding(kind, detail, request) for kind, detail in wrong]
        return answer

    def counts(self) -> dict[str, object]:
        """What the last line shows."""
        found = Counter(one.kind for one in self.findings)
        classes = Counter[str]()
        for status, count in self.statuses.items():
            classes[f"{status // 100}xx"] += count
        return {"requests": self.sent, **{kind.value: found[kind] for kind in Kind}, **dict(sorted(classes.items()))}


def _judged(request: Request, answer: Answer) -> Iterator[tuple[Kind, str]]:
    is_ready = request.target.partition(b"?")[0].endswith(NOT_READY)
    if answer.status >= 500 and not (is_ready and answer.status == 503 and not answer.error):
        yield Kind.SERVER_ERROR, f"{answer.status}: {answer.error or answer.body[:300]!r}"
    elif SET_ASIDE in answer.body and answer.status == 409:
        yield Kind.SET_ASIDE, answer.body[:400].decode("utf-8", "replace")
    elif answer.error:
        yield Kind.SERVER_ERROR, answer.error
    if answer.status in range(400, 500) and request.method != "HEAD" and request.target.startswith(b"/api/"):
        yield from _misshapen(answer)
    if answer.cpu_s > SLOW_CPU_S:
        yield Kind.SLOW, f"{answer.cpu_s:.1f} s of CPU"


def _misshapen(answer: Answer) -> Iterator[tuple[Kind, str]]:
    is_packed = answer.body.startswith(GZIP)
    try:
        body = json.loads(gzip.decompress(answer.body) if is_packed else answer.body)
    except (OSError, EOFError, ValueError):
        body = None
    if not isinstance(body, dict) or "problems" not in body:
        yield Kind.SHAPE, f"{answer.status} {answer.type}: {answer.body[:200]!r}"


def mutants(target: Target, seed: int, numbers: Iterable[int]) -> Iterator[Request]:
    """Mutated requests by number; the database is restored before every :data:`ROUND` of them."""
    valid = seeds(target)
    for number in numbers:
        if number % ROUND == 0:
            target.restore()
        rng = Random(f"{seed} {number}")
        request = mutated(valid[number % len(valid)], rng)
        if request.can_arrive:
            yield request


def attack(found: Attack, seed: int, count: int, *, between: Callable[[int], None] = lambda _: None) -> None:
    """Send so many mutated requests; those that the server itself would refuse do not count."""
    numbers, wanted = iter(range(count * 2)), found.sent + count
    for request in mutants(found.target, seed, numbers):
        found.send(request)
        between(found.sent)
        if found.sent >= wanted:
            return
