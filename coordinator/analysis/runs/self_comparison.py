"""What reports of A/A campaigns say where nothing differs: every word for a difference is false. Pure."""

from collections.abc import Sequence

from coordinator.analysis.judgement.carrying import clopper_pearson
from domain.campaigns.campaign import Campaign
from domain.reports.report import Family, Verdict
from domain.reports.verdict_words import VerdictWord
from domain.runs.trust import EXPECTED, MOST_SENTENCES, FalseShare, SelfCounts
from domain.values.names import datapath_of
from domain.values.texts import counted, share_text

_FALSE = (VerdictWord.BETTER, VerdictWord.WORSE)


def copies_of(campaign: Campaign) -> int:
    """How many of its datapaths are copies of others."""
    return len(campaign.datapaths) - len({*campaign.datapaths})


def self_counts(verdicts: Sequence[Verdict]) -> SelfCounts:
    """The counts of one report's verdicts about copies of one datapath."""
    ours = [v for v in verdicts if datapath_of(v.datapath) == datapath_of(v.reference) and v.has_enough_pairs]
    primary = [verdict for verdict in ours if verdict.family is Family.PRIMARY]
    false = [verdict for verdict in primary if verdict.verdict in _FALSE]
    excluding = [is_out for v in ours if v.family is not Family.SHOWN and (is_out := _excludes_none(v)) is not None]
    return SelfCounts(
        comparisons=len(primary),
        different=len(false),
        intervals=len(excluding),
        excluding=sum(excluding),
        sentences=tuple(verdict.sentence for verdict in false[:MOST_SENTENCES]),
    )


def false_share(count: int, total: int) -> FalseShare:
    """A count with its exact interval; of nothing, it is 0 to 1."""
    low, high = clopper_pearson(count, total) if total else (0.0, 1.0)
    return FalseShare(count=count, total=total, low=low, high=high)


def trust_sentence(campaigns: FalseShare) -> str:
    """What the campaigns' count says."""
    if not campaigns.total:
        return "No campaign has compared a datapath with itself yet, so the error rate on these hosts is not known."
    found = (
        f"In {campaigns.count} of {counted(campaigns.total, 'campaign')} a datapath was found to differ from itself: "
        f"{share_text(campaigns.count / campaigns.total)} [{share_text(campaigns.low)}, {share_text(campaigns.high)}]"
    )
    if campaigns.is_too_high:
        return f"{found}. That is more than {share_text(EXPECTED, 0)}: do not trust verdicts before the cause is found."
    return f"{found}. At most {share_text(EXPECTED, 0)} are expected, which these data allow."


def _excludes_none(verdict: Verdict) -> bool | None:
    """Whether the verdict's own 95 % interval excludes "no difference"; ``None`` without an interval."""
    if verdict.difference is not None:
        return not verdict.difference.low <= 0 <= verdict.difference.high
    if verdict.low is None or verdict.high is None:
        return None
    return not verdict.low <= 1 <= verdict.high
