"""State machines of campaigns, blocks and attempts: (state, event) → state. Pure; no clock, store or messages.

The tables below are complete; any other transition raises :class:`IllegalTransition`.
"""

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import TypeVar

from domain.trials.trial import MAX_ATTEMPTS, BlockResult

CALIBRATION_ATTEMPTS = 8  # of a block that finds the capacity: a host is often disturbed for longer than three attempts


class CampaignState(StrEnum):
    """The states of a campaign."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    COMPLETE = "complete"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """True if the state is final."""
        return self in {CampaignState.COMPLETE, CampaignState.FAILED, CampaignState.CANCELLED}


OPEN_CAMPAIGNS = tuple(state for state in CampaignState if not state.ended)


class BlockState(StrEnum):
    """The states of a block. ``held``: its rate depends on a calibration or search step that has not ended."""

    HELD = "held"
    WAITING = "waiting"
    DISPATCHED = "dispatched"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """True if the state is final."""
        return self in {BlockState.DONE, BlockState.FAILED, BlockState.CANCELLED}


OPEN_BLOCKS = tuple(state for state in BlockState if not state.ended)


class AttemptState(StrEnum):
    """The states of an attempt. ``lost``: its worker stopped reporting."""

    DISPATCHED = "dispatched"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    LOST = "lost"
    CANCELLED = "cancelled"


class CampaignEvent(StrEnum):
    """The events of a campaign."""

    BLOCK_CLAIMED = "block_claimed"
    CANCEL = "cancel"
    ALL_ENDED = "all_ended"
    ALL_FAILED = "all_failed"


class BlockEvent(StrEnum):
    """The events of a block.

    ``release``: its rate is known. ``withdraw``: its attempt was cancelled before a claim. ``retry``: its attempt ended
    and another one follows.
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
    """The events of an attempt. ``stop``: its worker stopped it, on request or not."""

    CLAIM = "claim"
    RESULT = "result"
    FAILURE = "failure"
    EXPIRE = "expire"
    STOP = "stop"


class IllegalTransition(ValueError):
    """This event is not allowed in this state."""


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
    (BlockState.HELD, BlockEvent.FINISH): BlockState.DONE,  # its search no longer needs this step
    (BlockState.HELD, BlockEvent.FAIL): BlockState.FAILED,
    (BlockState.HELD, BlockEvent.CANCEL): BlockState.CANCELLED,
    (BlockState.WAITING, BlockEvent.DISPATCH): BlockState.DISPATCHED,
    (BlockState.WAITING, BlockEvent.FINISH): BlockState.DONE,  # a late result
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
    (AttemptState.LOST, AttemptEvent.RESULT): AttemptState.DONE,  # the worker was alive, but the network failed
}

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


def _next(table: Mapping[tuple[S, E], S], state: S, event: E) -> S:
    try:
        return table[state, event]
    except KeyError:
        raise IllegalTransition(f"{event} is not allowed in the state {state}") from None


def campaign_after(state: CampaignState, event: CampaignEvent) -> CampaignState:
    """The campaign's next state. Raises :class:`IllegalTransition`."""
    return _next(_CAMPAIGN, state, event)


def block_after(state: BlockState, event: BlockEvent) -> BlockState:
    """The block's next state. Raises :class:`IllegalTransition`."""
    return _next(_BLOCK, state, event)


def attempt_after(state: AttemptState, event: AttemptEvent) -> AttemptState:
    """The attempt's next state. Raises :class:`IllegalTransition`."""
    return _next(_ATTEMPT, state, event)


def attempts_allowed(*, calibrates: bool) -> int:
    """How often a block is measured at most, if the environment disturbs it."""
    return CALIBRATION_ATTEMPTS if calibrates else MAX_ATTEMPTS


def event_after_attempt(
    ended: AttemptEvent,
    *,
    attempt: int,
    result: BlockResult | None = None,
    earlier_result: bool = False,
    cancelling: bool = False,
    unclear: bool | None = None,
    calibrates: bool = False,
) -> BlockEvent:
    """The event of a block at the end of an attempt.

    A result finishes the block, except if the environment disturbed a trial and attempts remain. What the datapaths did
    is no reason for another attempt: repeating until it is different would select outcomes. For a
    search step, ``unclear`` decides instead: it says whether another attempt may give an answer. Any other end asks for
    a retry while attempts remain. After the last one the block is done if an earlier attempt has a result, and failed
    otherwise. A campaign being cancelled has no retries.

    A block that ``calibrates`` has more attempts if the environment disturbed it. Its figures enter no comparison, and
    the levels that are shares of the capacity cannot be measured without it.
    """
    disturbed = result is not None and bool(result.environment)
    remaining = attempt < attempts_allowed(calibrates=calibrates and disturbed) and not cancelling
    if ended is AttemptEvent.RESULT and result is not None:
        again = disturbed if unclear is None else unclear
        return BlockEvent.RETRY if again and remaining else BlockEvent.FINISH
    if remaining:
        return BlockEvent.RETRY
    if earlier_result:
        return BlockEvent.FINISH
    return BlockEvent.CANCEL if cancelling else BlockEvent.FAIL


def event_after_calibration(states: Collection[BlockState], *, known: bool) -> BlockEvent | None:
    """The event of the held blocks, from the states of calibration blocks; ``None`` until all have ended.

    ``known``: the trials gave a capacity.
    """
    if not all(state.ended for state in states):
        return None
    return BlockEvent.RELEASE if known and set(states) == {BlockState.DONE} else BlockEvent.FAIL


def event_after_step(state: BlockState, *, searching: bool) -> BlockEvent | None:
    """The event of the held steps of a search at the end of a step; ``None`` until it has ended.

    ``release`` applies to the next step only. ``searching``: a datapath's capacity is not known yet.
    """
    if state is BlockState.DONE:
        return BlockEvent.RELEASE if searching else BlockEvent.FINISH
    return {BlockState.FAILED: BlockEvent.FAIL, BlockState.CANCELLED: BlockEvent.CANCEL}.get(state)


def event_after_blocks(
    states: Collection[BlockState], calibrations: Collection[BlockState] = ()
) -> CampaignEvent | None:
    """The event of a campaign, from the states of all its blocks; ``None`` until all have ended.

    ``calibrations`` are the states of calibration blocks, which give no result.
    """
    if not states or not all(state.ended for state in (*states, *calibrations)):
        return None
    return CampaignEvent.ALL_ENDED if BlockState.DONE in states else CampaignEvent.ALL_FAILED


def accepted_attempt(attempts: Iterable[tuple[int, bool | None]]) -> int | None:
    """The attempt of one block that is analysed, of (attempt, sound environment; ``None`` without a result).

    It is the first with a sound environment, whatever came out. If there is none, it is the last with a result, which
    shows why the block is left out.
    """
    ended = sorted((number, sound) for number, sound in attempts if sound is not None)
    sound = next((number for number, is_sound in ended if is_sound), None)
    return sound if sound is not None or not ended else ended[-1][0]
