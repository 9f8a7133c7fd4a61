"""Answers of a newer coordinator: what is unknown in them is left out, and the rest is shown. Input stays strict."""

import json

import httpx
import pytest
from pydantic import ValidationError

from coordinator.analysis.runs.comparison import compare
from deploy.cli.errors import CommandError, ExitCode
from deploy.cli.output import exit_code_of
from deploy.cli.rest.answers import read_answer
from deploy.cli.rest.client import Coordinator
from domain.loads.metric import Metric
from domain.reports.gate import Outcome
from domain.reports.report import CampaignReport
from domain.reports.verdict_words import CarryingWord, VerdictWord
from domain.runs.comparison import Compared, Comparison
from domain.runs.rule import NewRule, RuleChanges
from domain.values.answer_words import reading_answer
from domain.values.frozen import Frozen
from tests.unit.coordinator.analysis.runs.test_comparison import a_run
from tests.unit.deploy.test_cli_remote import report

RULE = {
    "series": "0123456789abcdef", "workload": "http_keepalive", "level": "low", "datapath": "tproxy",
    "metric": "cpu_us_per_request", "id": "k3f9x2ab", "created_at": "2026-01-01", "regressed_since": None, "events": [],
}  # fmt: skip

CHECK = {
    "name": "first", "expression": "tproxy.p99_us <= 5000", "workload": "http_keepalive", "level": "low",
    "datapath": "tproxy", "metric": "latency_p99_us", "at_most": True, "limit": 5000.0, "outcome": "pass",
}  # fmt: skip


@pytest.fixture
def answer():
    found = compare([a_run(1)], [a_run(2, tproxy=1.1)], [a_run(3)])
    return json.loads(found.model_dump_json())


def client(data):
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=data))
    return Coordinator("http://coordinator.test", "secret-token", transport=transport)


def shown(data):
    with client(data) as asked:
        return asked.compare("run1", "run2", "run3")


def with_fields(data):
    """The same with an unknown field in each object that is no mapping of names."""
    if isinstance(data, list):
        return [with_fields(one) for one in data]
    if not isinstance(data, dict):
        return data
    return {name: one if name == "labels" else with_fields(one) for name, one in data.items()} | {"colour": {"a": [1]}}


def test_unknown_fields_at_every_depth_change_nothing(answer, capsys):
    assert shown(with_fields(answer)) == shown(answer)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("part", ["expectations", "results"])
def test_what_decides_the_exit_code_is_never_left_out(part):
    found = report(valid_trials=5).model_dump(mode="json")
    found["expectations"] = [CHECK, CHECK | {"name": "second", "outcome": "fail"}]
    assert exit_code_of(read_answer(CampaignReport, found, "the report")) is ExitCode.EXPECTATION_FAILED
    if part == "expectations":
        found["expectations"][1]["metric"] = "joules_per_request"
    else:
        found["results"][0]["invalid_for"] = ["a reason of tomorrow"]
    with pytest.raises(CommandError, match=f"the report has {part} with words that only a newer version knows"):
        read_answer(CampaignReport, found, "the report")


def test_an_unknown_judgement_claims_nothing_and_is_named(answer, capsys):
    before = shown(answer)
    answer["figures"][0]["change"] = "splendid"
    answer["ratios"][0]["change"] = "splendid"
    found = shown(answer)
    assert (found.figures[0].change, found.ratios[0].change) == (VerdictWord.NONE, VerdictWord.NONE)
    assert found.figures[1:] == before.figures[1:]
    assert "is of a newer coordinator: unknown words: splendid. Install" in capsys.readouterr().err


def test_rows_with_other_unknown_words_are_left_out_and_counted(answer, capsys):
    before = shown(answer)
    for number in (0, 1, 3):
        answer["figures"][number] |= {"metric": "joules_per_request", "colour": 1}
    answer["other"][1]["labels"] = {"mood": "well"}
    found = shown(answer)
    assert found.figures == (before.figures[2], *before.figures[4:])
    assert found.ratios == before.ratios
    assert "3 rows left out" in capsys.readouterr().err


def test_an_answer_whose_meaning_is_unknown_is_refused(answer):
    answer["basis"] = "moons"
    with pytest.raises(CommandError, match="the same version"):
        shown(answer)
    del answer["basis"]
    with pytest.raises(CommandError, match="the same version"):
        shown(answer)


def test_the_words_of_an_earlier_coordinator_are_translated(answer):
    for one in answer["figures"]:
        one["change"] = "higher"
    words = {(one.metric, one.change) for one in shown(answer).figures}
    assert words == {(Metric.REQUESTS_PER_S, VerdictWord.BETTER), (Metric.CPU_US_PER_REQUEST, VerdictWord.WORSE)}
    answer["figures"][0]["change"] = "lower"
    assert shown(answer).figures[0].change is VerdictWord.WORSE


def test_one_unreadable_rule_does_not_hide_the_others(capsys):
    newer = RULE | {"direction": "sideways", "id": "other"}
    with client({"rules": [RULE, newer, RULE | {"colour": "red"}]}) as asked:
        found = asked.rules()
    assert [one.id for one in found] == [RULE["id"], RULE["id"]]
    assert "the list of rules is of a newer coordinator: 1 row left out" in capsys.readouterr().err


class ByMetric(Frozen):
    figures: dict[Metric, float]


def test_an_unknown_key_of_a_mapping_is_left_out():
    found = read_answer(ByMetric, {"figures": {"joules_per_request": 1.0, "requests_per_s": 2.0}}, "it")
    assert found.figures == {Metric.REQUESTS_PER_S: 2.0}


def test_a_trouble_of_an_unknown_part_keeps_the_state(capsys):
    data = {"checked_at": "2026-01-01T00:00:00Z", "troubles": [{"part": "moon"}], "ready": False}
    with client(data) as asked:
        found = asked.readiness()
    assert (found.troubles, found.ready) == ((), False)
    assert "the readiness is of a newer coordinator: 1 row left out" in capsys.readouterr().err


@pytest.mark.parametrize("kind", [VerdictWord, CarryingWord, Outcome])
def test_each_judgement_has_a_neutral_word_and_only_answers_may_need_it(kind):
    with pytest.raises(ValueError, match="splendid"):
        kind("splendid")
    with reading_answer() as unknown:
        assert kind("splendid") is kind.neutral()
        with pytest.raises(ValueError, match="7 is not"):
            kind(7)
    assert unknown == {"splendid"}
    assert kind.neutral().value in {"none", "unclear", "undecided"}


@pytest.mark.parametrize("kind", [NewRule, RuleChanges, Comparison, Compared])
def test_input_and_everything_else_stays_strict(kind):
    with pytest.raises(ValidationError) as refused:
        kind.model_validate({"colour": 1})
    assert "extra_forbidden" in {one["type"] for one in refused.value.errors()}
