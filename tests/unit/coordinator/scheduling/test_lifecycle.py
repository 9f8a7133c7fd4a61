"""The lifecycle: which events are allowed in which state."""

import itertools

import pytest

from coordinator.scheduling import lifecycle
from coordinator.scheduling.lifecycle import (
    AttemptEvent,
    AttemptState,
    BlockEvent,
    BlockState,
    CampaignEvent,
    CampaignState,
    IllegalTransition,
)
from domain.trials.trial import MAX_ATTEMPTS, BlockResult
from tests.unit.coordinator.coordinator_app import result

CAMPAIGN = [
    ("queued", "block_claimed", "running"),
    ("running", "block_claimed", "running"),
    ("queued", "cancel", "cancelling"),
    ("running", "cancel", "cancelling"),
    ("cancelling", "cancel", "cancelling"),
    ("running", "all_ended", "complete"),
    ("running", "all_failed", "failed"),
    ("cancelling", "all_ended", "cancelled"),
    ("cancelling", "all_failed", "cancelled"),
]
BLOCK = [
    ("held", "release", "waiting"),
    ("held", "finish", "done"),
    ("held", "fail", "failed"),
    ("held", "cancel", "cancelled"),
    ("waiting", "dispatch", "dispatched"),
    ("waiting", "finish", "done"),
    ("dispatched", "withdraw", "waiting"),
    ("dispatched", "claim", "running"),
    ("running", "retry", "waiting"),
    ("running", "finish", "done"),
    ("running", "fail", "failed"),
    ("waiting", "cancel", "cancelled"),
    ("dispatched", "cancel", "cancelled"),
    ("running", "cancel", "cancelled"),
]
ATTEMPT = [
    ("dispatched", "claim", "running"),
    ("dispatched", "stop", "cancelled"),
    ("running", "result", "done"),
    ("running", "failure", "failed"),
    ("running", "expire", "lost"),
    ("running", "stop", "cancelled"),
    ("lost", "result", "done"),
]
FAMILIES = [
    (lifecycle.campaign_after, CampaignState, CampaignEvent, CAMPAIGN),
    (lifecycle.block_after, BlockState, BlockEvent, BLOCK),
    (lifecycle.attempt_after, AttemptState, AttemptEvent, ATTEMPT),
]


@pytest.mark.parametrize(("after", "states", "events", "table"), FAMILIES, ids=["campaign", "block", "attempt"])
def test_exactly_these_transitions_are_legal(after, states, events, table) -> None:
    legal = {(state, event): then for state, event, then in table}
    for state, event in itertools.product(states, events):
        if (state, event) in legal:
            assert after(state, event) == legal[state, event]
        else:
            with pytest.raises(IllegalTransition, match=f"{event} is not allowed"):
                after(state, event)


def test_nothing_happens_to_what_has_ended() -> None:
    for after, states, events, _ in FAMILIES[:2]:
        for state, event in itertools.product(states, events):
            if state.ended:
                with pytest.raises(IllegalTransition):
                    after(state, event)


def block_result(*reasons: str) -> BlockResult:
    return BlockResult.model_validate(result("h1", ["direct", "tproxy"], reasons=reasons))


@pytest.mark.parametrize(
    ("event", "attempt", "more", "expected"),
    [
        (AttemptEvent.RESULT, 1, {"result": block_result()}, BlockEvent.FINISH),
        (AttemptEvent.RESULT, 1, {"result": block_result("steal")}, BlockEvent.RETRY),
        (AttemptEvent.RESULT, 2, {"result": block_result("steal", "interference")}, BlockEvent.RETRY),
        (AttemptEvent.RESULT, MAX_ATTEMPTS, {"result": block_result("steal")}, BlockEvent.FINISH),
        (AttemptEvent.RESULT, MAX_ATTEMPTS, {"result": block_result("steal"), "calibrates": True}, BlockEvent.RETRY),
        (
            AttemptEvent.RESULT,
            MAX_ATTEMPTS,
            {"result": block_result("steal"), "calibrates": True, "unclear": True},
            BlockEvent.RETRY,
        ),
        (
            AttemptEvent.RESULT,
            MAX_ATTEMPTS,
            {"result": block_result(), "calibrates": True, "unclear": True},
            BlockEvent.FINISH,
        ),
        (
            AttemptEvent.RESULT,
            lifecycle.CALIBRATION_ATTEMPTS,
            {"result": block_result("steal"), "calibrates": True},
            BlockEvent.FINISH,
        ),
        (AttemptEvent.FAILURE, MAX_ATTEMPTS, {"calibrates": True}, BlockEvent.FAIL),
        (AttemptEvent.RESULT, 1, {"result": block_result("steal", "bypassed")}, BlockEvent.RETRY),
        (AttemptEvent.RESULT, 1, {"result": block_result("generator_saturated")}, BlockEvent.RETRY),
        (AttemptEvent.RESULT, 1, {"result": block_result("overloaded")}, BlockEvent.FINISH),
        (AttemptEvent.RESULT, 1, {"result": block_result("errors", "no_requests")}, BlockEvent.FINISH),
        (AttemptEvent.RESULT, 1, {"result": block_result("bypassed")}, BlockEvent.FINISH),
        (AttemptEvent.RESULT, 1, {"result": block_result("steal"), "cancelling": True}, BlockEvent.FINISH),
        (AttemptEvent.FAILURE, 1, {}, BlockEvent.RETRY),
        (AttemptEvent.EXPIRE, MAX_ATTEMPTS - 1, {}, BlockEvent.RETRY),
        (AttemptEvent.EXPIRE, MAX_ATTEMPTS, {}, BlockEvent.FAIL),
        (AttemptEvent.FAILURE, MAX_ATTEMPTS, {"earlier_result": True}, BlockEvent.FINISH),
        (AttemptEvent.STOP, 1, {}, BlockEvent.RETRY),
        (AttemptEvent.STOP, 1, {"cancelling": True}, BlockEvent.CANCEL),
        (AttemptEvent.STOP, 2, {"cancelling": True, "earlier_result": True}, BlockEvent.FINISH),
        (AttemptEvent.FAILURE, 1, {"cancelling": True}, BlockEvent.CANCEL),
    ],
)
def test_the_end_of_an_attempt_decides_about_its_block(event, attempt, more, expected) -> None:
    assert lifecycle.event_after_attempt(event, attempt=attempt, **more) is expected


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ("", None),
        ("done waiting", None),
        ("done running", None),
        ("failed dispatched", None),
        ("done", "all_ended"),
        ("done failed cancelled", "all_ended"),
        ("failed failed", "all_failed"),
        ("cancelled", "all_failed"),
    ],
)
def test_the_blocks_decide_about_their_campaign(states: str, expected: str | None) -> None:
    assert lifecycle.event_after_blocks([BlockState(s) for s in states.split()]) == expected


def test_the_first_attempt_with_a_sound_environment_is_analysed() -> None:
    assert lifecycle.accepted_attempt([]) is None
    assert lifecycle.accepted_attempt([(1, None), (2, None)]) is None
    assert lifecycle.accepted_attempt([(1, True), (2, None)]) == 1
    assert lifecycle.accepted_attempt([(1, True), (2, True), (3, None)]) == 1
    assert lifecycle.accepted_attempt([(3, True), (1, None), (2, True)]) == 2
    assert lifecycle.accepted_attempt([(1, False), (2, True), (3, False)]) == 2
    assert lifecycle.accepted_attempt([(1, False), (2, False)]) == 2  # it shows why the block is left out
