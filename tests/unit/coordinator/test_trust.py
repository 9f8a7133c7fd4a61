"""A/A: campaigns that compare a datapath with itself are counted once, and false words are shown."""

from html import unescape

import numpy as np
import pytest
from flask.testing import FlaskClient

from coordinator.analysis.runs.self_comparison import false_share, self_counts, trust_sentence
from coordinator.store.rows.models import CampaignRow
from domain.campaigns.against_itself import against_itself
from domain.campaigns.campaign import read_campaign
from domain.values.problems import InvalidInput
from tests.unit.coordinator.analysis.results import a_campaign, reported
from tests.unit.coordinator.coordinator_app import CoordinatorApp, campaign
from tests.unit.coordinator.pages import sentences
from tests.unit.coordinator.web.test_answer_pages import run_blocks

COPIES = {"blocks": 5, "datapaths": ["ebpf_redirect", "ebpf_redirect"], "levels": {"connections_8": "closed(8)"}}


@pytest.fixture
def app(coordinator_app: CoordinatorApp) -> CoordinatorApp:
    coordinator_app.register()
    return coordinator_app


def run(app: CoordinatorApp, **more: object) -> str:
    campaign_id = app.submit(**{**COPIES, **more})
    run_blocks(app, 5)
    app.wait(1, present=("h1",))
    return campaign_id


def test_copies_that_agree_count_as_no_error(app: CoordinatorApp, browser: FlaskClient) -> None:
    assert "not known" in app.get("trust").json["sentence"]
    first, second = run(app), run(app)
    run(app, datapaths=["direct", "ebpf_redirect"])
    found = app.get("trust").json
    assert [(one["campaign"], one["campaigns_until"], one["false_until"]) for one in found["newest"]] == [
        (second, 2, 0), (first, 1, 0),
    ]  # fmt: skip
    assert (found["campaigns"]["count"], found["campaigns"]["total"]) == (0, 2)
    assert found["campaigns"]["high"] == pytest.approx(0.8419, abs=1e-4), "Clopper and Pearson, 0 of 2"
    assert found["comparisons"]["total"] == 2
    assert found["intervals"]["total"] >= 2
    page = browser.get("/trust")
    assert found["sentence"] in sentences(page)
    assert first in page.text


def test_a_false_word_is_counted_and_quoted(app: CoordinatorApp, browser: FlaskClient) -> None:
    campaign_id = app.submit(**COPIES)
    for number in range(5):
        app.run_block(rates={"ebpf_redirect": 1000 + number, "ebpf_redirect#2": 1200 + 2 * number})
    app.wait(1, present=("h1",))
    found = app.get("trust").json
    (one,) = found["newest"]
    assert (one["campaign"], one["different"], one["false_until"]) == (campaign_id, 1, 1)
    assert (found["campaigns"]["count"], found["intervals"]["count"] >= 1) == (1, True)
    assert "ebpf_redirect#2 is faster than ebpf_redirect" in one["sentences"][0]
    assert one["sentences"][0] in map(unescape, sentences(browser.get("/trust")))


def test_a_campaign_is_looked_at_once_and_one_of_an_earlier_version_too(app: CoordinatorApp) -> None:
    campaign_id = run(app)
    with app.store.read() as session:
        assert session.get_one(CampaignRow, campaign_id).copies == 1
    for _ in range(2):
        app.wait(1, present=("h1",))
    assert app.get("trust").json["campaigns"]["total"] == 1


def test_a_deleted_campaign_counts_no_more(app: CoordinatorApp) -> None:
    campaign_id = run(app)
    assert app.client.delete(f"/api/v1/campaigns/{campaign_id}", headers=app.user).status_code < 300
    assert app.get("trust").json["campaigns"]["total"] == 0


def test_a_cancelled_campaign_says_nothing(app: CoordinatorApp) -> None:
    app.cancel(app.submit(**COPIES))
    for _ in range(3):
        app.wait(1, present=("h1",))
    assert app.get("trust").json["campaigns"]["total"] == 0


def test_too_many_errors_are_reported_as_such() -> None:
    assert "do not trust verdicts" in trust_sentence(false_share(10, 40))
    assert false_share(10, 40).is_too_high
    assert "which these data allow" in trust_sentence(false_share(2, 40))


def test_single_intervals_are_wrong_in_one_of_twenty_cases() -> None:
    """Copies without any difference, through the whole report: words are rarer than that, as they are adjusted."""
    rng, excluding, intervals, false = np.random.default_rng(2), 0, 0, 0
    for _ in range(150):
        drift, own = np.exp(rng.normal(0, 0.2, (8, 1))), np.exp(rng.normal(0, 0.05, (8, 2)))
        blocks = [{"tproxy": row[0], "tproxy#2": row[1]} for row in (20_000 * drift * own).tolist()]
        counts = self_counts(reported(a_campaign("tproxy", "tproxy", blocks=8), blocks).verdicts)
        intervals, excluding = intervals + counts.intervals, excluding + counts.excluding
        false += bool(counts.different)
    share = false_share(excluding, intervals)
    assert share.low < 0.05 < share.high
    assert not false_share(false, 150).is_too_high


def test_a_campaign_is_turned_against_itself() -> None:
    base = read_campaign(
        campaign(
            datapaths=["direct", "tproxy", "ebpf_sk_assign"], reference="direct", probes=["run_queue"], blocks=6,
            primary=["ebpf_sk_assign / tproxy"], expect={"a": "tproxy.requests_per_s >= 1 * direct"},
        )
    )  # fmt: skip
    found = against_itself(base, "tproxy")
    assert (found.labels, found.reference_label) == (("tproxy", "tproxy#2"), "tproxy")
    assert (found.primary, found.expect) == ((), {})
    assert (found.levels, found.probes, found.name) == (base.levels, base.probes, "small-itself")
    with pytest.raises(InvalidInput):
        against_itself(base, "No!")
