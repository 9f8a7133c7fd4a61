"""The printed reasons for differences: what is known, with intervals, and how many comparisons are not."""

import io

from rich.console import Console

from deploy.cli.shown.why import print_why
from domain.reports.explanation import Difference, StagePart
from domain.reports.report import CampaignReport


def difference(us: float, half: float | None, pairs: int = 6, sentence: str = "") -> Difference:
    ends = {} if half is None else {"low_us": us - half, "high_us": us + half}
    return Difference(
        datapath="tproxy",
        reference="direct",
        workload="http_keepalive",
        level="low",
        pairs=pairs,
        mean_us=StagePart(stage="mean", us=us, **ends),
        parts=(),
        rest=StagePart(stage="rest", us=0),
        sentence=sentence,
    )


def printed(*differences: Difference) -> str:
    out = io.StringIO()
    print_why(CampaignReport(campaign={}, differences=differences), Console(file=out, width=80))
    return " ".join(out.getvalue().split())


def test_only_known_differences_have_their_sentence() -> None:
    text = printed(
        difference(400, 20, sentence="A mean request takes 400 [380, 420] µs longer."),
        difference(30, 80, sentence="not this one"),
        difference(900, None, pairs=4, sentence="nor this one"),
    )
    assert "A mean request takes 400 [380, 420] µs longer." in text
    assert "one" not in text.replace("one of", "")
    assert (
        "in 2 comparisons no stage's difference is known, not even its sign, 1 for lack of pairs: a difference needs 5"
        in text
    )


def test_a_campaign_without_probes_has_no_reasons() -> None:
    assert printed() == ""
