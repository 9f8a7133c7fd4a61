"""The arithmetic of the benches, with samples of known results."""

import json
import math
import random

import pytest

from tests.bench.figures import (
    Findings,
    Precision,
    Ratio,
    at_percentile,
    paired,
    precision,
    ratio_to,
    share_below,
    stalled_latencies,
)
from tests.bench.honesty import Seen, read_h2load, read_wrk
from tests.bench.slices import order_of


def test_a_paired_ratio_is_the_geometric_mean_with_students_interval() -> None:
    found = paired([2.0, 4.0, 2.0], [1.0, 1.0, 1.0])
    logs = [math.log(2), math.log(4), math.log(2)]
    mean = sum(logs) / 3
    half = 4.302653 * math.sqrt(sum((x - mean) ** 2 for x in logs) / 2 / 3)  # t of 97.5 % with two degrees of freedom
    assert found.ratio == pytest.approx(math.exp(mean))
    assert (found.low, found.high) == pytest.approx((math.exp(mean - half), math.exp(mean + half)), rel=1e-6)
    assert ratio_to([5.0, 5.0], 10.0) == Ratio(0.5, 0.5, 0.5)


@pytest.mark.parametrize(("these", "those"), [([1.0], [1.0]), ([1.0, 2.0], [1.0]), ([], [])])
def test_what_is_no_pair_has_no_ratio(these: list[float], those: list[float]) -> None:
    with pytest.raises(ValueError, match="no pairs"):
        paired(these, those)
    with pytest.raises(ValueError, match="no pairs"):
        precision(these, those, 1.0)


def test_precision_is_per_second_of_traffic() -> None:
    """Longer samples of the same spread know the ratio better only by their number of slices."""
    rng = random.Random(3)
    noise = [math.exp(rng.gauss(0, 0.1)) for _ in range(4000)]
    few, many = precision(noise[:400], [1.0] * 400, 2 * 400 * 0.2), precision(noise, [1.0] * 4000, 2 * 4000 * 0.2)
    assert few.log_error_of_1_s == pytest.approx(0.1 * math.sqrt(0.4), rel=0.1)
    assert many.log_error_of_1_s == pytest.approx(few.log_error_of_1_s, rel=0.1)
    # Half the traffic per pair at the same spread is the root of two better.
    assert precision(noise, [1.0] * 4000, 4000 * 0.2).over(many).ratio == pytest.approx(math.sqrt(0.5))


def test_the_interval_of_two_standard_errors_covers_what_it_should() -> None:
    rng = random.Random(4)
    covered = 0
    for _ in range(400):
        one, two = ([math.exp(rng.gauss(0, 0.1)) for _ in range(n)] for n in (30, 8))
        ratio = precision(one, [1.0] * 30, 30.0).over(precision(two, [1.0] * 8, 8.0))
        covered += ratio.low <= 1.0 <= ratio.high
    assert 0.92 <= covered / 400 <= 0.98


def test_fewer_pairs_have_the_wider_interval() -> None:
    narrow, wide = (Precision(0.1, count).over(Precision(0.1, 50)) for count in (50, 5))
    assert wide.high / wide.low > 2 * narrow.high / narrow.low
    assert narrow.ratio == wide.ratio == 1.0


def test_a_frozen_origin_of_the_issue_has_a_p99_of_940_ms() -> None:
    latencies = stalled_latencies(0, 500, 6000, 1000, 6000)
    assert len(latencies) == 3000
    assert at_percentile(latencies, 99) == pytest.approx(940e6, abs=2e6)
    assert at_percentile(latencies, 50) == 0
    moved = stalled_latencies(3_500_000_000, 500, 6000, 1000, 6000)  # where the run began does not matter
    assert at_percentile(moved, 99) == pytest.approx(940e6, abs=2e6)


def test_percentiles_are_values_that_occurred() -> None:
    assert [at_percentile([1, 2, 3, 4], p) for p in (0, 25, 50, 51, 100)] == [1, 1, 2, 3, 4]


def test_a_share_comes_back_from_percentiles() -> None:
    values = [float(n) for n in range(1, 1001)]
    for limit, share in ((0.5, 0.0), (251.0, 0.25), (5000.0, 1.0)):
        assert share_below(lambda p: at_percentile(values, p), limit) == pytest.approx(share, abs=1e-3)


def test_pairs_take_turns_at_being_first() -> None:
    assert order_of(3) == ("direct", "direct#2", "direct#2", "direct", "direct", "direct#2")


def test_h2loads_log_is_read() -> None:
    assert read_h2load("1700000000000000\t200\t1500\n1700000000000001\t200\t2500\n") == pytest.approx(
        read_h2load("1700000000000000\t200\t2500\n1700000000000001\t200\t1500\n")
    )
    assert read_h2load("") == "gave no result (its log is empty)"


def test_what_wrk_prints_is_read() -> None:
    text = "  Latency Distribution\n     50%   87.00us\n     75%    1.10ms\n     90%  353.98ms\n     99%    1.02s\n"
    assert read_wrk(text) == Seen(87_000.0, 1.02e9)
    assert read_wrk("unable to connect") == "gave no result"


def test_findings_end_in_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    findings = Findings()
    findings.report("speed", Ratio(1.25, 1.2, 1.3), "requests/s", True)
    findings.report("plain", Ratio(1, 1, 1), "nothing asked of it")
    findings.facts["rate"] = 12.3456789
    assert "1.250 [1.200, 1.300]" in capsys.readouterr().out
    printed = json.loads(findings.json())
    assert printed["speed"] == {"ratio": 1.25, "low": 1.2, "high": 1.3}
    assert printed["goals_met"] == {"speed": True}
    assert printed["facts"] == {"rate": 12.346}
    assert "\n" not in findings.json()
