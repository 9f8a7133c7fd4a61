"""The grammar of expectations: what it reads, and that each refusal names the field, the expression and the fix."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.campaigns.campaign import Campaign, read_campaign
from domain.campaigns.expectation import Expectation, places_of, read_expectation
from domain.loads.metric import Metric
from domain.values.problems import InvalidInput

LEVELS = {"half": "open(50%)", "busy": "open(20000)", "many": "closed(64)", "slo": "capacity(p99<=5ms)"}


def a_campaign(**changes: Any) -> Campaign:
    base = {
        "name": "t",
        "datapaths": ["direct", "tproxy", "ebpf_sk_assign", "tproxy"],
        "workloads": ["http_keepalive", "http_churn"],
        "levels": LEVELS,
    }
    return read_campaign(base | changes)


def refusal(**changes: Any) -> list[str]:
    with pytest.raises(InvalidInput) as refused:
        a_campaign(**changes)
    return [str(problem) for problem in refused.value.problems]


def places(text: str) -> tuple[tuple[str, str], ...]:
    campaign = a_campaign()
    return places_of(read_expectation(text), campaign.levels, campaign.workloads)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "ebpf_sk_assign.cpu_us_per_request <= 1.05 * tproxy",
            Expectation("ebpf_sk_assign", "tproxy", Metric.CPU_US_PER_REQUEST, True, 1.05),
        ),
        ("tproxy.p99_us@half <= 5000", Expectation("tproxy", None, Metric.LATENCY_P99_US, True, 5000, ("half",))),
        (
            "capacity(ebpf_redirect) >= 1.5 * capacity(tproxy)",
            Expectation("ebpf_redirect", "tproxy", Metric.SLO_CAPACITY_PER_S, False, 1.5),
        ),
        ("tproxy#2.latency_p50_us<tproxy", Expectation("tproxy#2", "tproxy", Metric.LATENCY_P50_US, True, 1.0)),
        (
            " a . p50_us @ half / http_churn >2_0e3* b . p50_us ",
            Expectation("a", "b", Metric.LATENCY_P50_US, False, 20_000, ("half", "http_churn")),
        ),
        ("a.percent_over_5ms <= 0.5", Expectation("a", None, Metric.PERCENT_OVER_5MS, True, 0.5)),
        ("a.requests_per_s > b@many", Expectation("a", "b", Metric.REQUESTS_PER_S, False, 1.0, ("many",))),
    ],
)
def test_what_is_read(text: str, expected: Expectation) -> None:
    assert read_expectation(text) == expected


LABELS = st.from_regex(r"\A[a-z][a-z0-9_]{0,10}(#[2-9])?\Z")
NAMES = st.from_regex(r"\A[a-z][a-z0-9_]{0,10}\Z")
WORDS = st.sampled_from(["requests_per_s", "cpu_us_per_request", "p50_us", "p99_us", "capacity"])
SPACES = st.sampled_from(["", " ", "  "])


@given(
    label=LABELS, reference=st.none() | LABELS, word=WORDS, operator=st.sampled_from(["<=", ">=", "<", ">"]),
    hundredths=st.integers(1, 10**9), place=st.lists(NAMES, max_size=2), space=SPACES, short=st.booleans(),
)  # fmt: skip
def test_what_is_written_is_what_is_read(
    label: str, reference: str | None, word: str, operator: str, hundredths: int, place: list[str], space: str,
    short: bool,
) -> None:  # fmt: skip
    def figure(of: str) -> str:
        return f"capacity({of})" if word == "capacity" else f"{of}{space}.{word}"

    limit = f"{hundredths / 100:.2f}"
    at = space + "@" + "/".join(place) if place else ""
    right = limit if reference is None else f"{limit}{space}*{space}{reference if short else figure(reference)}"
    text = f"{figure(label)}{at}{space}{operator}{space}{right}"
    if reference == label:
        with pytest.raises(ValueError, match="with itself"):
            read_expectation(text)
        return
    found = read_expectation(text)
    assert (found.label, found.reference, found.place) == (label, reference, tuple(place))
    assert (found.at_most, found.limit) == (operator[0] == "<", float(limit))
    assert word in ("capacity",) or word in found.metric.value


@given(st.text(alphabet="ab._@*<>=#/() 0159,-", max_size=40) | st.text(max_size=40))
def test_any_text_is_read_or_refused_by_its_name(text: str) -> None:
    refused = ""
    try:
        assert read_expectation(text).limit > 0
    except ValueError as error:
        refused = str(error)
    assert not refused or refused.startswith(f"{text!r}: ")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("tproxy.p99_us", "write one comparison with <= or >="),
        ("tproxy.p99_us == 5", "write one comparison with <= or >="),
        ("100 <= tproxy.p99_us <= 200", "write one comparison with <= or >="),
        ("tproxy <= 5", "names no metric; write tproxy.METRIC, with requests_per_s"),
        ("tproxy.p95_us <= 5", "'p95_us' is no metric; write requests_per_s"),
        ("tproxy.latency_p999_us <= 5", "'latency_p999_us' is no metric"),
        ("tproxy.p99_us <= 5,000", "'5,000': write figures on the left; on the right a positive number, as 5000"),
        ("tproxy.p99_us <= 0", "'0': write figures on the left; on the right a positive number"),
        ("tproxy.p99_us <= -5", "'-5': write figures on the left"),
        ("5000 >= tproxy.p99_us", "'5000': write figures on the left"),
        ("tproxy.p99_us <= fast!", "'fast!' is no figure; write datapath.metric@level or capacity(datapath)"),
        ("tproxy.p99_us <= direct.p50_us", "write the same metric on both sides"),
        ("tproxy.p99_us@half <= direct@busy", "so name one place"),
        ("tproxy.p99_us <= 1.1 * tproxy", "compares tproxy with itself"),
        ("tproxy.percent_over_5ms <= 2 * direct", "is a share, which has no ratio; write a percentage on the right"),
        ("tproxy.percent_over_5ms@many <= 1", "needs an open level, such as open(50%); many is closed(64)"),
        ("nosuch.p99_us <= 5", "'nosuch' is not among the datapaths; choose from direct, tproxy, ebpf"),
        ("tproxy.p99_us <= nosuch", "'nosuch' is not among the datapaths"),
        ("tproxy.p99_us@nosuch <= 5", "'nosuch' is no level; choose from half, busy, many, slo"),
        ("tproxy.p99_us@half/busy <= 5", "write one level and one workload, as @half/http_keepalive"),
        ("tproxy.p99_us@many <= 5", "such as open(50%); many is closed(64); choose from half, busy"),
        ("tproxy.requests_per_s@half >= 5", "the schedule sets the rate; half is open(50%); choose from many"),
        ("capacity(tproxy)@half >= 5", "needs a capacity level, such as capacity(p99<=5ms); half is open(50%)"),
    ],
)  # fmt: skip
def test_a_refusal_names_field_expression_and_fix(text: str, why: str) -> None:
    (problem,) = refusal(expect={"gate": text})
    assert problem.startswith(f"expect.gate: {text!r}: ")
    assert why in problem


def test_a_metric_without_a_level_is_refused() -> None:
    (problem,) = refusal(levels={"low": "closed(8)"}, expect={"gate": "tproxy.p99_us <= 5"})
    assert "latency_p99_us needs an open level, such as open(50%); no level has it" in problem


def test_too_few_blocks_can_decide_nothing() -> None:
    (problem,) = refusal(blocks=4, expect={"gate": "tproxy.p99_us <= 5"})
    assert problem.endswith("4 blocks cannot decide it; an interval needs blocks >= 5")


def test_a_broken_level_is_the_only_problem_and_broken_grammar_is_always_one() -> None:
    assert [one.partition(":")[0] for one in refusal(levels={"half": "lots"}, expect={"a": "tproxy.p99_us <= 5"})] == [
        "levels.half"
    ]
    found = refusal(blocks="many", expect={"a": "nonsense"})
    assert [one.partition(":")[0] for one in found] == ["blocks", "expect.a"]


@pytest.mark.parametrize(
    ("expect", "field"),
    [
        ("tproxy.p99_us <= 5", "expect"), (5, "expect"), (None, "expect"), ([5], "expect.expectation_1"),
        ({"a": 5}, "expect.a"), ({"a": ["tproxy.p99_us <= 5"]}, "expect.a"), ({"a": "x" * 201}, "expect.a"),
        (["tproxy.p99_us <= 5"] * 33, "expect"), ({"A b": "tproxy.p99_us <= 5"}, "expect.A b"),
    ],
)  # fmt: skip
def test_the_wrong_shape(expect: object, field: str) -> None:
    assert refusal(expect=expect)[0].startswith(f"{field}: ")


def test_a_list_gets_names_and_reads_back() -> None:
    campaign = a_campaign(expect=["tproxy.p99_us@half <= 5", "capacity(tproxy) >= 5"])
    assert campaign.expect == {"expectation_1": "tproxy.p99_us@half <= 5", "expectation_2": "capacity(tproxy) >= 5"}
    assert Campaign.model_validate(campaign.model_dump(mode="json")) == campaign
    assert Campaign.model_validate_json(campaign.model_dump_json()) == campaign


def test_without_a_place_it_is_checked_everywhere_that_has_the_metric() -> None:
    workloads = ("http_keepalive", "http_churn")
    assert places("tproxy.p99_us <= 5") == tuple((w, level) for w in workloads for level in ("half", "busy"))
    assert places("tproxy.cpu_us_per_request@http_churn <= 5") == tuple(
        ("http_churn", level) for level in ("half", "busy", "many")
    )
    assert places("tproxy.p99_us@busy <= 5") == tuple((w, "busy") for w in workloads)
    assert places("capacity(tproxy)@slo/http_churn >= 5") == (("http_churn", "slo"),)


def test_a_level_under_conditions_is_named_as_it_is_called() -> None:
    crossed = {"levels": {"half": "open(50%)"}, "conditions": {"plain": "", "ruled": "ballast(10)"}}
    (problem,) = refusal(**crossed, expect={"a": "tproxy.p99_us@half <= 5"})
    assert "choose from half_plain, half_ruled" in problem
    campaign = a_campaign(**crossed, expect={"a": "tproxy.p99_us@half_ruled <= 5"})
    assert Campaign.model_validate(campaign.model_dump(mode="json")) == campaign


@pytest.mark.parametrize(
    ("text", "better"),
    [
        ("a.p99_us <= 5", True), ("a.p99_us >= 5", False),
        ("a.requests_per_s >= 5", True), ("capacity(a) <= 5", False),
    ],
)  # fmt: skip
def test_which_side_is_the_better_one(text: str, better: bool) -> None:
    assert read_expectation(text).wants_better == better
