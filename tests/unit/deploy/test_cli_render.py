"""The printed table: readable at 80 columns, complete, with invalid trials listed."""

import io

import pytest
from rich.console import Console

from deploy.cli.shown.render import NONE, print_report
from domain.loads.metric import OPEN_METRICS, Metric
from domain.probes.telemetry import TelemetryAccount
from domain.reports.calibration import Calibration
from domain.reports.report import CampaignReport, CellResult, Family, Interval, Percentiles, Verdict
from domain.reports.verdict_words import VerdictWord
from domain.trials.failures import FailedAttempt, InvalidTrial
from domain.trials.trial import Reason

LEVELS = {"low": "closed(8)", "medium": "closed(64)", "high": "closed(256)"}
RATIOS = {"direct": 2.0, "tproxy": 1.0, "ebpf_sk_assign": 1.01, "ebpf_redirect": 1.9}


def cell(datapath, level="low", **changes):
    ratio = RATIOS.get(datapath, 1.0)
    share = Interval(value=ratio / 2, low=ratio / 2.1, high=ratio / 1.9)
    values = {
        "datapath": datapath, "function": "steer", "role": "limit" if datapath == "direct" else "",
        "workload": "http_keepalive", "level": level, "load": LEVELS[level],
        "requests_per_s": 50_000 * ratio, "cpu_us_per_request": 30.0 / ratio, "share_of_direct": share,
        "pairs": 6, "valid_trials": 6, "invalid_trials": 0, "cpus_used": 1.95, "cpus": 2,
    }  # fmt: skip
    return CellResult(**(values | changes))


def verdict(datapath, level="low", word=VerdictWord.BETTER, metric=Metric.REQUESTS_PER_S):
    ratio = RATIOS[datapath]
    return Verdict(
        datapath=datapath, reference="tproxy", workload="http_keepalive", level=level, metric=metric, verdict=word,
        family=Family.PRIMARY, pairs=6, ratio=ratio, low=ratio - 0.05, high=ratio + 0.05,
        sentence=f"{datapath} is {word} than tproxy at {level} load [{ratio - 0.05:.2f}, {ratio + 0.05:.2f}].",
    )  # fmt: skip


def reference_report(**changes):
    others = [datapath for datapath in RATIOS if datapath != "tproxy"]
    values = {
        "campaign": {"id": "k3f9x2ab", "name": "showdown", "state": "complete", "seed": 42},
        "results": [cell(datapath, level) for level in LEVELS for datapath in RATIOS],
        "verdicts": [verdict(datapath, level) for level in LEVELS for datapath in others],
    }
    return CampaignReport(**(values | changes))


def printed(report, width=80):
    out = io.StringIO()
    print_report(report, Console(file=out, width=width))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_four_datapaths_at_three_loads_fit_80_columns_side_by_side():
    lines = printed(reference_report())
    assert max(map(len, lines)) <= 80
    heads = [line.split() for line in lines if "ebpf_sk_assign" in line and "ebpf_redirect" in line]
    assert heads == [["tproxy", "ebpf_sk_assign", "ebpf_redirect", "direct"]], "reference first, the limit last"
    rows = [line.split() for line in lines]
    for level, load in LEVELS.items():
        start = rows.index([level, load])
        assert rows[start + 1] == ["requests/s", "50,000", "50,500", "95,000", "100,000"]
        assert rows[start + 2] == ["×", "tproxy", NONE, "1.01", "1.90", "2.00"]
        assert rows[start + 3] == [
            "95",
            "%",
            "interval",
            NONE,
            "0.96",
            "–",
            "1.06",
            "1.85",
            "–",
            "1.95",
            "1.95",
            "–",
            "2.05",
        ]
        assert rows[start + 4] == ["CPU", "µs/request", "30.0", "29.7", "15.8", "15.0"]
        assert rows[start + 5][:3] == ["share", "of", "direct"]
        assert rows[start + 5][3::2] == ["50", "50", "95", "100"]
        assert " ".join(rows[start + 6][:7]) == "95 % interval 48 – 53 %"
        assert " ".join(rows[start + 7]) == "CPUs busy 1.95 of 2 1.95 of 2 1.95 of 2 1.95 of 2"
        assert rows[start + 8] == ["pairs", "6", "6", "6", "6"]
        assert " ".join(rows[start + 9]) == "valid trials 6 of 6 6 of 6 6 of 6 6 of 6"


def test_every_verdict_has_its_sentence():
    report = reference_report()
    text = " ".join(" ".join(printed(report, width=120)).split())
    for one in report.verdicts:
        assert f"{one.verdict.value} {one.sentence}" in text


def test_brackets_in_a_sentence_are_printed_not_interpreted():
    report = reference_report(verdicts=[verdict("direct").model_copy(update={"sentence": "[bold] [0.9, 1.1]"})])
    assert any("[bold] [0.9, 1.1]" in line for line in printed(report))


@pytest.mark.parametrize("width", [52, 60, 80])
def test_nine_datapaths_are_split_and_the_reference_repeated(width):
    labels = ["tproxy", *(f"datapath_number_{n}" for n in range(8))]
    lines = printed(reference_report(results=[cell(label) for label in labels], verdicts=[]), width)
    heads = [line.split() for line in lines if "tproxy" in line]
    assert len(heads) > 1
    assert all(head[0] == "tproxy" for head in heads)
    assert [label for head in heads for label in head[1:]] == labels[1:]
    assert max(map(len, lines)) <= width


def test_a_cell_without_a_valid_trial_shows_why_and_never_a_zero():
    empty = cell("ebpf_redirect", requests_per_s=None, cpu_us_per_request=None, share_of_direct=None,
                 valid_trials=0, invalid_trials=6, invalid_for="overloaded")  # fmt: skip
    rows = [line.split() for line in printed(reference_report(results=[cell("tproxy"), empty], verdicts=[]))]
    assert ["requests/s", "50,000", "overloaded"] in rows
    assert ["CPU", "µs/request", "30.0", NONE] in rows
    assert ["valid", "trials", "6", "of", "6", "0", "of", "6"] in rows


def open_report(requests=10_000, **changes):
    """Four datapaths at a share of capacity, compared by cost and latency."""
    latency = Percentiles(p50=130, p99=1300, p999=2000, count=requests)  # pooled: not what ratios are taken of
    means = {"latency_p50_us": 120.0, "latency_p99_us": 1234.5}
    load = "open(25%) = 9,800/s"
    level = "medium"
    return reference_report(
        results=[cell(d, level, load=load, latency_us=latency, share_of_direct=None, **means) for d in RATIOS],
        verdicts=[verdict(d, level, metric=m) for m in OPEN_METRICS for d in RATIOS if d != "tproxy"],
        **changes,
    )


def test_latency_is_shown_for_open_loads_only():
    assert not any("latency" in line for line in printed(reference_report()))
    lines = printed(open_report())
    assert max(map(len, lines)) <= 80
    rows = [line.split() for line in lines]
    assert sum("ebpf_sk_assign" in row and "direct" in row for row in rows) == 1, "side by side"
    start = rows.index(["medium", "open(25%)"])
    assert rows[start + 1] == ["=", "9,800/s"]
    ratio = ["×", "tproxy", NONE, "1.01", "1.90", "2.00"]
    for row, (name, figure) in enumerate(
        [
            ("CPU µs/request", "30.0"),
            ("latency p50 µs", "120"),
            ("latency p99 µs", "1,234"),
        ]
    ):
        here = start + 2 + 3 * row
        assert " ".join(rows[here]).startswith(f"{name} {figure}")
        assert rows[here + 1] == ratio
        assert rows[here + 2][:4] == ["95", "%", "interval", NONE]
        assert rows[here + 2][4] == "0.96"
    assert rows[start + 11][:4] == ["pooled", "p99.9", "µs", "2,000"]
    assert [rows[start + row][:3] for row in (12, 13, 14)] == [["over", str(ms), "ms"] for ms in (1, 5, 20)]
    assert rows[start + 15][0] == "requests/s"
    assert [rows[start + row][0] for row in range(16, 20)] == ["carried", "CPUs", "queued", "p99"]
    assert rows[start + 20] == ["pairs", "6", "6", "6", "6"]
    assert not any(row[:2] == ["share", "of"] for row in rows)


@pytest.mark.parametrize(
    ("requests", "marks"),
    [(10_000, ["", "", ""]), (9_999, ["", "", "*"]), (999, ["", "*", "*"]), (19, ["*", "*", "*"])],
)
def test_a_percentile_that_rests_on_few_requests_says_so(requests, marks):
    lines = printed(open_report(requests))
    rows = [line.split() for line in lines]
    figures = ["120", "1,234", "2,000"]
    for name, figure, mark in zip(("p50", "p99", "p99.9"), figures, marks, strict=True):
        [row] = [row for row in rows if row[1:3] == [name, "µs"]]
        assert row[3:] == [figure + mark] * 4
    assert any(line.startswith("* fewer than 10 slow episodes") for line in lines) == ("*" in marks)
    assert max(map(len, lines)) <= 80


def test_the_title_says_with_which_parameters_the_workload_ran():
    facts = {"id": "k3f9x2ab", "name": "x", "state": "complete"}
    assert any(line == "http_keepalive" for line in printed(reference_report()))
    parameters = {"http_keepalive": {"body_bytes": 4000}, "other": {"tokens": 1}}
    lines = printed(reference_report(campaign=facts | {"campaign": {"parameters": parameters}}))
    assert "http_keepalive (body_bytes 4,000)" in lines


def test_the_capacity_behind_shares_is_printed_or_why_there_is_none():
    facts = {"id": "k3f9x2ab", "name": "showdown", "state": "complete"}
    found = Calibration(
        load="closed(64)", requests_per_s=39251, datapath="tproxy", host="vm", rates_per_s={"low": 9810}
    )
    failed = Calibration(load="closed(64)", failure="the calibration of stream failed (block 1 on vm): no lab")
    calibration = {"http_keepalive": found.model_dump(), "stream": failed.model_dump()}
    text = " ".join(" ".join(printed(open_report(campaign=facts | {"calibration": calibration}))).split())
    assert (
        "Shares of http_keepalive refer to 39,251 requests/s, the capacity of its slowest datapath, tproxy, at" in text
    )
    assert "No capacity: the calibration of stream failed (block 1 on vm): no lab" in text


def test_invalid_trials_and_failed_attempts_are_printed():
    report = reference_report(
        invalid=[
            InvalidTrial(
                trial="t", block=3, attempt=2, datapath="tproxy", workload="http_keepalive", level="high",
                reasons=(Reason.BYPASSED, Reason.LEAKED), details=("0 of 58011 requests",),
            )
        ],
        failed_attempts=[FailedAttempt(block=1, attempt=1, host="vm", reason="the lease expired")],
        telemetry=TelemetryAccount(produced=1200, delivered=1100, lost=100, missing="InfluxDB was away"),
    )  # fmt: skip
    text = "\n".join(printed(report, width=200))
    assert "tproxy, http_keepalive at high: bypassed, leaked (block 3, attempt 2: 0 of 58011 requests)" in text
    assert "block 1, attempt 1 on vm: the lease expired" in text
    assert "Telemetry is missing: InfluxDB was away" in text
    assert "1,200 points produced, 1,100 delivered, 100 lost" in text


def test_invalid_trials_alike_share_a_line_with_their_number():
    def invalid(block, reason):
        return InvalidTrial(trial=f"t{block}", block=block, attempt=1, datapath="tproxy", workload="http_keepalive",
                            level="low", reasons=(reason,), details=(f"detail {block}",))  # fmt: skip

    trials = [*(invalid(block, Reason.DROPS) for block in range(30)), invalid(31, Reason.STEAL)]
    lines = printed(reference_report(invalid=trials), width=120)
    assert "Invalid trials: 31, not analysed" in lines
    assert "  tproxy, http_keepalive at low: drops (30 trials, first block 0, attempt 1: detail 0)" in lines
    assert "  tproxy, http_keepalive at low: steal (block 31, attempt 1: detail 31)" in lines


def test_comparisons_with_too_few_pairs_share_a_line():
    report = reference_report()
    short = [v.model_copy(update={"pairs": index % 2 + 1}) for index, v in enumerate(report.verdicts)]
    at_one_level = [v for v in short if v.level == "low"]
    lines = printed(report.model_copy(update={"verdicts": tuple(at_one_level)}), width=160)
    (line,) = [line for line in lines if "too few pairs" in line]
    assert f"{len(at_one_level)} comparisons have only 1 to 2 valid pairs; a verdict needs 5." in line
    assert not any(v.sentence in text for v in at_one_level for text in lines)


def test_a_long_list_of_failed_attempts_is_cut_and_says_so():
    failed = FailedAttempt(block=0, attempt=1, host="vm", reason="the lease expired")
    lines = printed(reference_report(failed_attempts=[failed] * 30))
    assert sum("expired" in line for line in lines) == 12
    assert any("and 18 more" in line for line in lines)


def test_blocks_that_are_not_pooled_are_named():
    sentence = "Blocks of different fingerprints are not pooled; left out: block 2 (kernel '2', not '1')."
    assert sentence in " ".join(printed(reference_report(left_out=sentence)))
    assert not any("not pooled" in line for line in printed(reference_report()))


def test_an_empty_report_prints_its_headline():
    assert printed(CampaignReport(campaign={"id": "a", "name": "n", "state": "failed"})) == ["n · failed · id a"]


def test_a_capacity_level_shows_the_rate_within_the_slo():
    slo = {"requests_per_s": None, "cpu_us_per_request": None, "load": "capacity(p99<=5ms, errors<=0.5%)"}
    results = [cell(d, slo_capacity_per_s=10_000 * ratio, **slo) for d, ratio in RATIOS.items()]
    results[1] = results[1].model_copy(update={"caveats": ("2 of 6 searches found no rate: steal, 9 %",)})
    verdicts = [verdict(d, metric=Metric.SLO_CAPACITY_PER_S) for d in RATIOS if d != "tproxy"]
    found = Calibration(load="closed(64)", requests_per_s=30_000, datapath="tproxy", host="h",
                        capacities_per_s={"direct": 61_000, "tproxy": 30_000})  # fmt: skip
    report = reference_report(results=results, verdicts=verdicts)
    report.campaign["calibration"] = {"http_keepalive": found.model_dump()}
    text = printed(report)
    assert max(map(len, text)) <= 80
    lines, text = [line.split() for line in text], " ".join(" ".join(text).split())
    assert ["SLO", "requests/s", "10,000", "10,100", "19,000", "20,000"] in lines
    assert ["×", "tproxy", "–", "1.01", "1.90", "2.00"] in lines
    assert ["low", "capacity"] in lines
    assert ["errors<=0.5%"] in lines
    assert "note tproxy, http_keepalive at low: 2 of 6 searches found no rate: steal, 9 %" in text
    assert "direct 61,000, tproxy 30,000" in text
    assert "Shares of" not in text
