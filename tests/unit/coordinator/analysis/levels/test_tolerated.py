"""The attack that a filter tolerates: known rates are found, with their ends, and shown."""

import io

import pytest
from flask import render_template
from rich.console import Console

from coordinator.analysis.levels.tolerated import crossing
from coordinator.analysis.reports.report import build_report
from coordinator.scheduling.records import AttemptRecord
from deploy.cli.shown.render import lost_cells, print_report
from domain.reports.report import CampaignReport
from domain.reports.report_markdown import markdown_of
from domain.reports.tolerated import ToleratedAttack
from domain.trials.figures import TrialFigure
from domain.trials.trial import Finding, Reason
from tests.unit.coordinator.analysis.results import a_campaign, an_attempt
from tests.unit.coordinator.coordinator_app import CoordinatorApp

LEVELS = {"calm": 0, "few": 20_000, "many": 80_000}
KEPT = {"nft_set": {"calm": 1.0, "few": 0.95, "many": 0.80}, "ebpf_xdp_filter": {"calm": 1.0, "few": 1.0, "many": 0.95}}
HOST_NOISE = (1.0, 0.5, 2.0, 0.8, 1.3, 1.1)
OWN_NOISE = (1.01, 0.98, 1.02, 0.97, 1.0, 1.03)


def a_report(
    rounds: int = 6, blocked_share: float = 0.5, disturbed: int = 0, own: tuple[float, ...] = (1.0,) * 6
) -> CampaignReport:
    """``disturbed`` of the rounds have no attack of the highest rate; ``own`` is the noise of attacked trials."""
    levels = {
        name: f"closed(8) under blocklist(10){f', attack({rate})' if rate else ''}" for name, rate in LEVELS.items()
    }
    attempts: list[AttemptRecord] = []
    for turn in range(rounds):
        for name, rate in LEVELS.items():
            if name == "many" and turn < disturbed:
                continue
            noise = HOST_NOISE[turn] * (own[turn] if rate else 1)
            rates = {label: 50_000 * noise * kept[name] for label, kept in KEPT.items()}
            blocked = TrialFigure(name="blocked_per_s", title="blocked", value=rate * blocked_share)
            attempts.append(an_attempt(len(attempts), rates, level=name, figures=(blocked,) if rate else ()))
    return build_report(a_campaign(*KEPT, levels=levels), {"id": "k3f9x2ab"}, attempts)


def found_for(report: CampaignReport, label: str) -> ToleratedAttack:
    (one,) = [one for one in report.tolerated_attacks if one.datapath == label]
    return one


def test_the_rate_is_interpolated_between_the_blocked_rates() -> None:
    one = found_for(a_report(), "nft_set")
    assert (one.level, one.load, one.pairs) == ("calm", "closed(8) under blocklist(10)", 6)
    assert one.per_s == pytest.approx(10_000 + 30_000 * 0.3146, rel=1e-3)
    assert (one.low_per_s, one.high_per_s) == pytest.approx((one.per_s, one.per_s), rel=1e-6)
    assert one.sentence.startswith("nft_set loses 10 % of its requests/s at 19,4")


def test_one_that_falls_less_at_every_rate_says_what_it_keeps() -> None:
    one = found_for(a_report(), "ebpf_xdp_filter")
    assert one.per_s is None
    assert (one.highest_per_s, one.ratio_at_highest) == (40_000, pytest.approx(0.95))
    assert "keeps 95 % of its requests/s at 40,000 blocked packets/s" in one.sentence


def test_what_is_kept_has_its_interval() -> None:
    one = found_for(a_report(own=OWN_NOISE), "ebpf_xdp_filter")
    assert one.ratio_low is not None
    assert one.ratio_high is not None
    assert one.ratio_low < 0.95 < one.ratio_high
    assert "keeps 95.1 % [92.8, 97.5] of its requests/s at 40,000 blocked packets/s" in one.sentence


def test_a_rate_with_too_few_pairs_is_not_the_highest_that_is_known() -> None:
    report = a_report(disturbed=2)
    kept = "keeps 100 % of its requests/s at 10,000 blocked packets/s, http_keepalive at closed(8) under blocklist(10)"
    assert found_for(report, "ebpf_xdp_filter").sentence == (
        f"ebpf_xdp_filter {kept}: the highest rate with 5 pairs or more."
    )


def test_too_few_pairs_and_no_blocked_packets_are_no_evidence() -> None:
    assert a_report(rounds=4).tolerated_attacks == ()
    assert build_report(a_campaign(*KEPT), {"id": "k3f9x2ab"}, []).tolerated_attacks == ()


def test_the_first_fall_counts() -> None:
    assert crossing([(0, 0.0), (10, -1.0), (20, 0.0), (30, -1.0)]) == pytest.approx(1.0536, rel=1e-3)
    assert crossing([(0, 0.0), (10, -0.1)]) is None
    assert crossing([(0, 0.0)]) is None


def test_it_is_printed_on_the_page_and_in_markdown(coordinator_app: CoordinatorApp) -> None:
    report, text = a_report(), io.StringIO()
    print_report(report, Console(file=text, width=200))
    sentences = [one.sentence for one in report.tolerated_attacks]
    assert len(sentences) == 2
    assert all(sentence in text.getvalue() for sentence in sentences)
    assert markdown_of(report).count("blocked packets/s") == 2
    with coordinator_app.app.test_request_context():
        page = render_template("web/_tolerated.html", report=report)
    assert all(sentence in page for sentence in sentences)


def test_a_cell_beyond_its_bound_is_not_lost() -> None:
    attempts = [an_attempt(n, {"nft_set": 5e4, "nft_rules": None}) for n in range(5)]
    campaign = a_campaign("nft_set", "nft_rules")
    assert [cell.datapath for cell in lost_cells(build_report(campaign, {"id": "k3f9x2ab"}, attempts))] == ["nft_rules"]
    for attempt in attempts:
        assert attempt.result is not None
        (_, refused) = attempt.result.trials
        finding = Finding(reason=Reason.BEYOND_BOUND, detail="nft_rules takes at most 10 entries")
        object.__setattr__(refused.validity, "findings", (finding,))
    report = build_report(campaign, {"id": "k3f9x2ab"}, attempts)
    assert lost_cells(report) == []
    text = io.StringIO()
    print_report(report, Console(file=text, width=200))
    assert "beyond_bound" in text.getvalue()
