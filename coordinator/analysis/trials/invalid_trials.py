"""The invalid trials of a campaign: all are counted by their reasons, and the first ones are listed. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol

from coordinator.analysis.trials.block_trials import BlockTrials
from coordinator.scheduling.digests import Judged, TrialDigest, TrialWords
from coordinator.scheduling.records import AttemptRecord
from domain.campaigns.campaign import Campaign
from domain.campaigns.focus import focus_at
from domain.trials.failures import MOST_LISTED, InvalidTrial, ReasonsCount
from domain.trials.trial import Reason


class _Trial(Protocol):
    """A trial without its numbers."""

    @property
    def words(self) -> TrialWords: ...
    @property
    def valid(self) -> bool: ...
    @property
    def reasons(self) -> tuple[Reason, ...]: ...
    @property
    def details(self) -> tuple[str, ...]: ...
    @property
    def judged(self) -> Judged | None: ...


class Invalid(NamedTuple):
    """The first invalid trials, and how many there are by reasons, in the order of the first of each."""

    listed: tuple[InvalidTrial, ...]
    counts: tuple[ReasonsCount, ...]


def invalid_trials(campaign: Campaign, attempts: Iterable[AttemptRecord]) -> Invalid:
    """Those of every attempt, except those that show a search step that a rate was too high."""
    listed: list[InvalidTrial] = []
    counts: Counter[tuple[Reason, ...]] = Counter()
    for attempt in attempts:
        for trial in _invalid_of(attempt.digest.trials) if attempt.digest else ():
            counts[trial.reasons] += 1
            if len(listed) < MOST_LISTED:
                listed.append(_listed(campaign, attempt, trial))
    return Invalid(tuple(listed), tuple(ReasonsCount(reasons=one, trials=count) for one, count in counts.items()))


def trial_id(campaign: Campaign, attempt: AttemptRecord, label: str) -> str:
    """``<block id>-<attempt>-<position of the label in its block>``: also the ``run`` tag of telemetry."""
    focus, measured = focus_at(campaign, attempt.level), set(attempt.digest.trials if attempt.digest else ())
    labels = focus if label in focus and measured <= set(focus) else campaign.labels
    return f"{attempt.block_id}-{attempt.attempt}-{labels.index(label)}"


def _invalid_of(block: Mapping[str, TrialDigest]) -> Iterator[_Trial]:
    if isinstance(block, BlockTrials):
        trials: Iterable[_Trial] = () if block.shape.is_valid else block.shape.trials
    else:
        trials = block.values()
    return (trial for trial in trials if not trial.valid and not _is_search_outcome(trial))


def _is_search_outcome(trial: _Trial) -> bool:
    return trial.judged is not None and trial.judged.met + trial.judged.missed > 0


def _listed(campaign: Campaign, attempt: AttemptRecord, trial: _Trial) -> InvalidTrial:
    return InvalidTrial(
        trial=trial_id(campaign, attempt, trial.words.datapath),
        block=attempt.block_index,
        attempt=attempt.attempt,
        datapath=trial.words.datapath,
        workload=trial.words.workload,
        level=trial.words.level,
        reasons=trial.reasons,
        details=trial.details,
    )
