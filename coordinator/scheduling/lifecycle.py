"""Pure: (state, event) → state, for campaigns, blocks and attempts. No clock, no store, no messages.

The tables below are the whole truth; whatever is not in them raises :class:`IllegalTransition`.
"""

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import TypeVar

from domain.trial import MAX_ATTEMPTS, BlockResult


class CampaignState(StrEnum):
    """Where a campaign stands."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    COMPLETE = "complete"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """True when nothing more will happen."""
        return self in {CampaignState.COMPLETE, CampaignState.FAILED, CampaignState.CANCELLED}


class BlockState(StrEnum):
    """Where a block stands. ``held``: its rate depends on a calibration, or on a step of its search, yet to end."""

    HELD = "held"
    WAITING = "waiting"
    DISPATCHED = "dispatched"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """True when nothing more will happen."""
        return self in {BlockState.DONE, BlockState.FAILED, BlockState.CANCELLED}


class AttemptState(StrEnum):
    """Where an attempt stands. ``lost``: its worker fell silent."""

    DISPATCHED = "dispatched"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    LOST = "lost"
    CANCELLED = "cancelled"


class CampaignEvent(StrEnum):
    """What happens to a campaign."""

    BLOCK_CLAIMED = "block_claimed"
    CANCEL = "cancel"
    ALL_ENDED = "all_ended"
    ALL_FAILED = "all_failed"


class BlockEvent(StrEnum):
    """What happens to a block.

    ``release``: its rate is known; ``withdraw``: its attempt is void before anyone claimed it; ``retry``: its attempt
    ended and another one follows.
    """

    RELEASE = "release"
    DISPATCH = "dispatch"
    WITHDRAW = "withdraw"
    CLAIM = "claim"
    RETRY = "retry"
    FINISH = "finish"
    FAIL = "fail"
    CANCEL = "cancel"


class AttemptEvent(StrEnum):
    """What happens to an attempt. ``stop``: its worker stopped it, asked or not."""

    CLAIM = "claim"
    RESULT = "result"
    FAILURE = "failure"
    EXPIRE = "expire"
    STOP = "stop"


class IllegalTransition(ValueError):
    """This event cannot happen in this state."""


_CAMPAIGN: Mapping[tuple[CampaignState, CampaignEvent], CampaignState] = {
    (CampaignState.QUEUED, CampaignEvent.BLOCK_CLAIMED): CampaignState.RUNNING,
    (CampaignState.RUNNING, CampaignEvent.BLOCK_CLAIMED): CampaignState.RUNNING,
    (CampaignState.QUEUED, CampaignEvent.CANCEL): CampaignState.CANCELLING,
    (CampaignState.RUNNING, CampaignEvent.CANCEL): CampaignState.CANCELLING,
    (CampaignState.CANCELLING, CampaignEvent.CANCEL): CampaignState.CANCELLING,
    (CampaignState.RUNNING, CampaignEvent.ALL_ENDED): CampaignState.COMPLETE,
    (CampaignState.RUNNING, CampaignEvent.ALL_FAILED): CampaignState.FAILED,
    (CampaignState.CANCELLING, CampaignEvent.ALL_ENDED): CampaignState.CANCELLED,
    (CampaignState.CANCELLING, CampaignEvent.ALL_FAILED): CampaignState.CANCELLED,
}

_BLOCK: Mapping[tuple[BlockState, BlockEvent], BlockState] = {
    (BlockState.HELD, BlockEvent.RELEASE): BlockState.WAITING,
    (BlockState.HELD, BlockEvent.FINISH): BlockState.DONE,  # a step that its search no longer needs
    (BlockState.HELD, BlockEvent.FAIL): BlockState.FAILED,
    (BlockState.HELD, BlockEvent.CANCEL): BlockState.CANCELLED,
    (BlockState.WAITING, BlockEvent.DISPATCH): BlockState.DISPATCHED,
    (BlockState.WAITING, BlockEvent.FINISH): BlockState.DONE,  # by a result that came late
    (BlockState.DISPATCHED, BlockEvent.WITHDRAW): BlockState.WAITING,
    (BlockState.DISPATCHED, BlockEvent.CLAIM): BlockState.RUNNING,
    (BlockState.RUNNING, BlockEvent.RETRY): BlockState.WAITING,
    (BlockState.RUNNING, BlockEvent.FINISH): BlockState.DONE,
    (BlockState.RUNNING, BlockEvent.FAIL): BlockState.FAILED,
    (BlockState.WAITING, BlockEvent.CANCEL): BlockState.CANCELLED,
    (BlockState.DISPATCHED, BlockEvent.CANCEL): BlockState.CANCELLED,
    (BlockState.RUNNING, BlockEvent.CANCEL): BlockState.CANCELLED,
}

_ATTEMPT: Mapping[tuple[AttemptState, AttemptEvent], AttemptState] = {
    (AttemptState.DISPATCHED, AttemptEvent.CLAIM): AttemptState.RUNNING,
    (AttemptState.DISPATCHED, AttemptEvent.STOP): AttemptState.CANCELLED,
    (AttemptState.RUNNING, AttemptEvent.RESULT): AttemptState.DONE,
    (AttemptState.RUNNING, AttemptEvent.FAILURE): AttemptState.FAILED,
    (AttemptState.RUNNING, AttemptEvent.EXPIRE): AttemptState.LOST,
    (AttemptState.RUNNING, AttemptEvent.STOP): AttemptState.CANCELLED,
    (AttemptState.LOST, AttemptEvent.RESULT): AttemptState.DONE,  # the worker lived, only the network did not
}

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


def _next(table: Mapping[tuple[S, E], S], state: S, event: E) -> S:
    try:
        return table[state, event]
    except KeyError:
        raise IllegalTransition(f"{event} cannot happen to what is {state}") from None


def campaign_after(state: CampaignState, event: CampaignEvent) -> CampaignState:
    """The campaign's next state. Raises :class:`IllegalTransition`."""
    return _next(_CAMPAIGN, state, event)


def block_after(state: BlockState, event: BlockEvent) -> BlockState:
    """The block's next state. Raises :class:`IllegalTransition`."""
    return _next(_BLOCK, state, event)


def attempt_after(state: AttemptState, event: AttemptEvent) -> AttemptState:
    """The attempt's next state. Raises :class:`IllegalTransition`."""
    return _next(_ATTEMPT, state, event)


def event_after_attempt(
    ended: AttemptEvent,
    *,
    attempt: int,
    result: BlockResult | None = None,
    earlier_result: bool = False,
    cancelling: bool = False,
    unclear: bool | None = None,
) -> BlockEvent:
    """What the end of an attempt means for its block.

    A result finishes the block, unless one of its trials is invalid for transient reasons only and attempts remain; of
    a step of a search, ``unclear`` says instead whether it left open what another attempt may tell.
    Anything else asks for another attempt while there is one; after the last one the block is done if an
    earlier attempt had a result, and failed otherwise. Nothing is tried again in a campaign being cancelled.
    """
    remaining = attempt < MAX_ATTEMPTS and not cancelling
    if ended is AttemptEvent.RESULT and result is not None:
        transient = any(trial.validity.transient for trial in result.trials) if unclear is None else unclear
        return BlockEvent.RETRY if transient and remaining else BlockEvent.FINISH
    if remaining:
        return BlockEvent.RETRY
    if earlier_result:
        return BlockEvent.FINISH
    return BlockEvent.CANCEL if cancelling else BlockEvent.FAIL


def event_after_calibration(states: Collection[BlockState], *, known: bool) -> BlockEvent | None:
    """What the states of a workload's calibration blocks mean for the blocks held; ``None`` while some have not ended.

    ``known`` says whether their trials gave a capacity.
    """
    if not all(state.ended for state in states):
        return None
    return BlockEvent.RELEASE if known and set(states) == {BlockState.DONE} else BlockEvent.FAIL


def event_after_step(state: BlockState, *, searching: bool) -> BlockEvent | None:
    """What the end of a step means for those of its search that are held; ``None`` while it has not ended.

    ``release`` is for the next one only: ``searching`` says that a datapath's capacity is not known yet.
    """
    if state is BlockState.DONE:
        return BlockEvent.RELEASE if searching else BlockEvent.FINISH
    return {BlockState.FAILED: BlockEvent.FAIL, BlockState.CANCELLED: BlockEvent.CANCEL}.get(state)


def event_after_blocks(
    states: Collection[BlockState], calibrations: Collection[BlockState] = ()
) -> CampaignEvent | None:
    """What the states of all blocks mean for their campaign; ``None`` while some have not ended.

    ``calibrations`` are the states of calibration blocks, which give no result of their own.
    """
    if not states or not all(state.ended for state in (*states, *calibrations)):
        return None
    return CampaignEvent.ALL_ENDED if BlockState.DONE in states else CampaignEvent.ALL_FAILED


def accepted_attempt(attempts: Iterable[tuple[int, int | None]]) -> int | None:
    """Of one block's (attempt, valid trials; ``None`` without a result): the attempt that is analysed.

    The one with most valid trials, of equals the last. Validity is judged before anybody looks at a figure, so this
    prefers no outcome; taking the last one always would throw pairs away that an earlier one has.
    """
    rated = [(valid, number) for number, valid in attempts if valid is not None]
    return max(rated)[1] if rated else None
