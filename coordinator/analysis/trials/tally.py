"""The trials of a campaign so far: how many are valid, why the others are not, and what disturbed them. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from coordinator.analysis.trials.block_trials import BlockTrials
from coordinator.analysis.trials.outcome import missed_for
from coordinator.scheduling.digests import TrialDigest
from coordinator.scheduling.lifecycle import AttemptState
from coordinator.scheduling.records import AttemptRecord
from domain.hosts.busy import MOST_BUSY, BusyProcess
from domain.reports.outcome import MOST_RETRIES, USELESS_ATTEMPTS, Retry, Tally, reasons_text
from domain.trials.trial import TRANSIENT_REASONS, Finding, Reason
from domain.values.texts import counted

_WITHOUT_RESULT = frozenset({AttemptState.FAILED, AttemptState.LOST})


def tally_of(attempts: Sequence[AttemptRecord]) -> Tally:
    """The tally of a campaign's attempts."""
    blocks = [attempt.digest.trials for attempt in attempts if attempt.digest]
    invalid = [
        trial for trials in blocks if not _all_valid(trials) for trial in trials.values() if not is_measured(trial)
    ]
    reasons = Counter(reason for trial in invalid for reason in trial.reasons)
    retries = [retry for attempt in attempts if (retry := _retry(attempt))]
    return Tally(
        valid=sum(map(len, blocks)) - len(invalid),
        invalid=len(invalid),
        reasons=dict(reasons.most_common()),
        retries=tuple(reversed(retries[-MOST_RETRIES:])),
        retried=len(retries),
        busiest=busiest_of(finding for trial in invalid for finding in trial.findings),
    )


def _all_valid(trials: Mapping[str, TrialDigest]) -> bool:
    """True if the words of a stored block say so: then no digest is made of its trials."""
    return isinstance(trials, BlockTrials) and trials.shape.is_valid


def is_measured(trial: TrialDigest) -> bool:
    """True if the trial is valid, or if it shows a search step that a rate was too high."""
    return trial.valid or (trial.judged is not None and trial.judged.met + trial.judged.missed > 0)


def is_useless(attempts: Iterable[AttemptRecord]) -> bool:
    """True if no attempt has anything that the analysis can use; that a datapath is overloaded is of use."""
    return not any(
        attempt.digest is not None
        and (attempt.digest.is_sound or attempt.search is not None)
        and any(is_measured(trial) or missed_for(trial.reasons) for trial in attempt.digest.trials.values())
        for attempt in attempts
    )


def pause_sentence(attempts: Sequence[AttemptRecord]) -> str:
    """Why a campaign waits for its user: what made its first attempts useless."""
    found = tally_of(attempts)
    failed = sum(attempt.state in _WITHOUT_RESULT for attempt in attempts)
    causes = [f"invalid trials by reason: {reasons_text(found.reasons)}"] if found.reasons else []
    causes += [f"{counted(failed, 'attempt')} without a result"] if failed else []
    causes += [f"busiest foreign processes: {', '.join(map(str, found.busiest))}"] if found.busiest else []
    return (
        f"the first {USELESS_ATTEMPTS} attempts have no valid trial ({'; '.join(causes) or 'no attempt has a result'})"
    )


def busiest_of(findings: Iterable[Finding]) -> tuple[BusyProcess, ...]:
    """The busiest processes of all findings that name any: the mean share over those findings."""
    shares: dict[str, float] = defaultdict(float)
    named = [finding for finding in findings if finding.processes]
    for finding in named:
        for one in finding.processes:
            shares[one.name] += one.share
    ranked = sorted(shares.items(), key=lambda item: -item[1])[:MOST_BUSY]
    return tuple(BusyProcess(name=name, share=min(1.0, share / len(named))) for name, share in ranked)


def _retry(attempt: AttemptRecord) -> Retry | None:
    """An attempt that the environment spoilt, or that ended without a result."""
    if attempt.digest is None:
        reason = attempt.reason if attempt.state in _WITHOUT_RESULT else ""
    else:
        reason = "" if attempt.digest.is_sound else _environment_text(attempt.digest.trials.values())
    if not reason:
        return None
    return Retry(block=attempt.block_index, attempt=attempt.attempt, host=attempt.host, reason=reason)


def _environment_text(trials: Iterable[TrialDigest]) -> str:
    """The first finding of each kind against the environment, in words."""
    first: dict[Reason, Finding] = {}
    for trial in trials:
        for finding in trial.findings:
            if finding.reason in TRANSIENT_REASONS:
                first.setdefault(finding.reason, finding)
    return "; ".join(f"{one.reason.text}: {one.detail}" for one in first.values())
