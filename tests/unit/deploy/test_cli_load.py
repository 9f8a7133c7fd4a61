"""Every row of the table says how full the host was, and what the generator's part in the latency is."""

import pytest

from deploy.cli.shown.load import MARK, NONE, carried_text, cpus_text, lag_text, queued_text
from domain.reports.carrying import CarriedBlocks, Carrying, OverloadedTrials
from domain.reports.report import CampaignReport, CellResult
from domain.reports.verdict_words import CarryingWord
from domain.trials.trial import Reason
from tests.unit.deploy.test_cli_render import cell, printed

SENTENCE = "tproxy does not carry 20,000/s at busy in 6 of 6 blocks; ebpf_redirect carries it in 6 of 6 (made up)."


def open_cell(datapath: str = "tproxy", **changes: object) -> CellResult:
    usual = {"load": "open(20000)", "latency_p99_us": 1000.0, "queued_share": 0.0, "lag_p99_us": 20.0}
    return cell(datapath, **(usual | changes))


def overloaded_cell() -> CellResult:
    return open_cell(
        requests_per_s=None, cpu_us_per_request=None, latency_p99_us=None, queued_share=None, lag_p99_us=None,
        cpus_used=None, pairs=0, valid_trials=0, invalid_trials=6, invalid_for=Reason.OVERLOADED,
        carried_in=CarriedBlocks(blocks=0, of=6, low=0.0, high=0.46),
        overloaded=OverloadedTrials(
            trials=6, delivered_per_s=15_000.0, due_per_s=20_000.0, p50_us=81_000.0, p99_us=109_000.0, cpus_used=2.0,
            cpus=2,
        ),
    )  # fmt: skip


def carrying(word: CarryingWord = CarryingWord.CARRIES, carried: int = 6) -> Carrying:
    return Carrying(
        datapath="ebpf_redirect", reference="tproxy", workload="http_keepalive", level="low", load="open(20000)",
        word=word, carried=carried, reference_carried=6 if carried == 6 and word is CarryingWord.UNCLEAR else 0,
        blocks=6, p=0.0022, p_alone=0.0022, comparisons=1, sentence=SENTENCE,
    )  # fmt: skip


def test_an_open_row_shows_load_and_generator() -> None:
    found = open_cell(
        cpus_used=1.494, cpus=2, queued_share=0.004, carried_in=CarriedBlocks(blocks=4, of=6, low=0, high=1)
    )
    text = "\n".join(printed(CampaignReport(campaign={}, results=(found,))))
    for row in ("carried 4 of 6", "CPUs busy 1.49 of 2", "queued 0.4 %", "p99 lag µs 20"):
        assert row in " ".join(text.split()), text
    assert MARK + " " not in text


@pytest.mark.parametrize(
    ("changes", "marked"),
    [
        ({"queued_share": 0.01}, 0),
        ({"queued_share": 0.011}, 1),
        ({"lag_p99_us": 100.0}, 0),
        ({"lag_p99_us": 101.0}, 1),
        ({"lag_p99_us": 101.0, "latency_p99_us": 2000.0}, 0),
    ],
)
def test_a_cell_whose_latency_depends_on_the_generator_is_marked(changes: dict[str, float], marked: int) -> None:
    found = open_cell(**changes)
    assert (queued_text(found) + lag_text(found)).count(MARK) == marked
    text = "\n".join(printed(CampaignReport(campaign={}, results=(found,))))
    assert ("the latency depends on the generator" in text) == bool(marked)


def test_what_has_no_data_is_a_dash() -> None:
    older = cell("tproxy", cpus_used=None, cpus=None)
    assert {show(older) for show in (carried_text, cpus_text, queued_text, lag_text)} == {NONE}


def test_an_overloaded_datapath_shows_its_censored_latencies() -> None:
    text = " ".join(" ".join(printed(CampaignReport(campaign={}, results=(overloaded_cell(),)))).split())
    for row in ("overloaded", "latency p50 µs ≥ 81,000", "latency p99 µs ≥ 109,000", "requests/s 15,000",
                "carried 0 of 6", "CPUs busy 2.00 of 2"):  # fmt: skip
        assert row in text, text


def test_who_carries_the_load_is_a_sentence() -> None:
    plain = carrying(CarryingWord.UNCLEAR, 6)
    text = " ".join(" ".join(printed(CampaignReport(campaign={}, carrying=(plain, carrying())), width=120)).split())
    assert f"Which datapath carries the load does not carry {SENTENCE}" in text
    assert text.count(SENTENCE) == 1, "where both carry the load there is nothing to say"


@pytest.mark.parametrize(
    ("placement", "shown"),
    [
        ("shared CPUs: generator, DUT and origin run on 0-1", True),
        ("generator on 0; DUT on 1-2; origin on 3", True),
        ("", False),
    ],
)
def test_the_report_says_who_ran_where(placement: str, shown: bool) -> None:
    text = "\n".join(printed(CampaignReport(campaign={}, cpu_placement=placement)))
    assert (f"CPU placement: {placement}" in text) is shown
    assert ("CPU placement" in text) is shown


def test_the_report_says_how_open_levels_were_driven() -> None:
    text = "Poisson arrivals, at most 512 requests in flight; priority: real-time (SCHED_RR)"
    assert f"Open levels: {text}" in " ".join(printed(CampaignReport(campaign={}, generator=text)))
    assert "Open levels" not in "".join(printed(CampaignReport(campaign={})))


def test_the_word_is_that_of_the_sentences_first_datapath() -> None:
    undecided = carrying(CarryingWord.UNCLEAR, 3)
    neither = carrying(CarryingWord.UNCLEAR, 0)
    titles = [one.title for one in (carrying(), carrying(CarryingWord.DOES_NOT_CARRY, 0), undecided, neither)]
    assert titles == ["does not carry", "does not carry", "unclear", "does not carry"]
