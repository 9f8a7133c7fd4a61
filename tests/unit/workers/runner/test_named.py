"""Requests by name: generator, datapath and origin must agree, but for requests that failed or were sent again."""

from typing import Any

import pytest

from domain.trials.counters import Counters
from domain.trials.trial import Reason
from tests.unit.workers.runner.test_validity import good
from workers.runner.validity import judge, prove

SENT = {"key a": 600, "limited a": 200, "model small": 800}


def gateway(named: dict[str, int] | None = None, **more: int) -> Counters:
    return Counters(packets=1016, bytes=None, connections=8, refused_requests=200, named=named or SENT, **more)


def findings(counters: Counters, **changes: Any) -> list[tuple[Reason, str]]:
    evidence = good(counters=counters, **{"origin_requests": 802, "named": SENT} | changes)
    return [(one.reason, one.detail) for one in judge(evidence, prove(evidence)).findings]


def test_equal_counts_are_valid_and_are_kept_as_proof() -> None:
    assert findings(gateway(), origin_named={"model small": 800}) == []
    evidence = good(counters=gateway(), named=SENT, origin_requests=802, origin_named={"model small": 800})
    proof = prove(evidence)
    assert (proof.named, proof.origin_named, proof.counters.named) == (SENT, {"model small": 800}, SENT)


def test_a_limit_that_was_ignored_is_found() -> None:
    found = findings(gateway({"key a": 600, "limited a": 380, "model small": 800}))
    assert found == [(Reason.COUNTS_MISMATCH, "the datapath counted limited a 380, not 200")]


def test_a_name_that_the_generator_never_sent_is_found() -> None:
    assert findings(gateway({"key b": 1})) == [(Reason.COUNTS_MISMATCH, "the datapath counted key b 1, not 0")]


def test_an_origin_that_saw_another_model_is_found() -> None:
    found = findings(gateway(), origin_named={"model small": 700})
    assert found == [(Reason.COUNTS_MISMATCH, "the origin counted model small 700, not 800")]


@pytest.mark.parametrize(("seen", "valid"), [(800, True), (803, True), (804, False), (799, False)])
def test_an_origin_may_see_what_was_sent_again(seen: int, valid: bool) -> None:
    assert (findings(gateway(repeated_requests=3), origin_named={"model small": seen}) == []) is valid


def test_requests_that_failed_may_be_counted_or_not() -> None:
    named = {**SENT, "key a": 601}
    assert findings(gateway(named), errors={"reset": 1}) == []
    assert findings(gateway({**SENT, "key a": 602}), errors={"reset": 1}) != []


def test_only_the_first_names_are_listed() -> None:
    ((_, detail),) = findings(gateway({f"key {number}": 1 for number in range(9)}))
    assert detail.endswith("key 4 1, not 0 and 4 more")


@pytest.mark.parametrize(("refused", "reached", "valid"), [(200, 802, True), (0, 802, False), (200, 602, False)])
def test_what_the_datapath_answers_itself_never_reaches_the_origin(refused: int, reached: int, valid: bool) -> None:
    counters = gateway().model_copy(update={"refused_requests": refused})
    found = {reason for reason, _ in findings(counters, origin_requests=reached)}
    assert found == (set() if valid else {Reason.BYPASSED})


def test_names_are_differences_and_sums() -> None:
    one, other = Counters(named={"a": 3}, refused_requests=1), Counters(named={"a": 5, "b": 2}, refused_requests=4)
    assert other.minus(one).named == {"a": 2, "b": 2}
    assert one.plus(other).named == {"a": 8, "b": 2}
    assert (other.minus(one).refused_requests, one.plus(other).refused_requests) == (3, 5)
    assert Counters().plus(one).named == {"a": 3}
