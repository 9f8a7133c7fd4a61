"""The first primary verdicts of a campaign: its headline in lists. Pure."""

from domain.reports.report import CampaignReport, Family, Verdict

MOST = 3  # verdicts of a headline


def primary_verdicts(report: CampaignReport) -> tuple[Verdict, ...]:
    """The primary verdicts with enough pairs, those with a word first."""
    found = [v for v in report.verdicts if v.family is Family.PRIMARY and v.has_enough_pairs]
    return tuple(sorted(found, key=lambda v: not v.decided))


def headline_of(report: CampaignReport) -> tuple[Verdict, ...]:
    """The first of them; empty if nothing is compared."""
    return primary_verdicts(report)[:MOST]
