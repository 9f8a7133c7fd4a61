"""The benches run from end to end. Their results have no meaning after so short a time.

Two of them compare times with a known truth, so nothing may run beside them.
"""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests import ROOT
from tests.bench.truth import origins, power, resolution
from tests.host_noise import in_windows

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.usefixtures("kernel"),
    pytest.mark.timeout(900),  # host noise repeats its windows
]

RATIOS = {
    "traffic": {"closed_loop_requests_per_s", "closed_loop_cpu_per_request", "schedule_lag_p99_over_100us",
                "honesty_p99_100ms_of_500ms", "agreement_a_a_throughput", "agreement_direct_throughput",
                "agreement_tproxy_throughput", "agreement_tproxy_share_of_direct",
                "h2_requests_per_s", "h2_cpu_per_request"},
    "stream": {"points_per_s"},
    "real_time": {"real_time_p50_us_direct", "real_time_p99_us_tproxy", "real_time_cpu_us_per_request_direct",
                  "p99_us_tproxy_over_direct_with", "p99_us_tproxy_over_direct_without"},
    "slices": {"standard_error_0_01s_over_0_1s", "standard_error_0_02s_over_0_1s"},
}  # fmt: skip


@pytest.mark.parametrize(
    "bench", [pytest.param(name, marks=pytest.mark.alone if name == "traffic" else ()) for name in RATIOS]
)
@in_windows
def test_a_bench_ends_with_its_ratios(bench: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"tests.bench.{bench}", "--quick"],
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    results = json.loads(done.stdout.splitlines()[-1])
    assert set(results) >= RATIOS[bench] | {"goals_met", "facts"}
    for name in set(results) - {"goals_met", "facts"}:
        assert 0 < results[name]["low"] <= results[name]["ratio"] <= results[name]["high"], name
    assert all(isinstance(met, bool) for met in results["goals_met"].values())
    if bench == "traffic":
        assert results["honesty_p99_100ms_of_500ms"]["ratio"] == pytest.approx(1, abs=0.3)


@pytest.mark.alone
@in_windows
def test_the_probes_bench_ends_with_the_tax_and_each_probes_cost() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.probes", "--quick"],
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    results = json.loads(done.stdout.splitlines()[-1])
    assert results["low"] <= results["tax_all_probes"] <= results["high"] < 1
    names = {path.stem for path in (ROOT / "bpf" / "probes").glob("*.c")}
    assert set(results["ns_per_event"]) == set(results["events_per_request"]) == names
    # Some probes have no events on direct. A program takes longer than a call, and less time than a system call.
    busy = {name: ns for name, ns in results["ns_per_event"].items() if results["events_per_request"][name] > 1}
    assert {"forward", "rx_steering"} <= set(busy)
    assert all(10 < ns < 5000 for ns in busy.values()), busy
    assert 0 < results["fixed_rate_cpu_all_probes"]["low"] <= results["fixed_rate_cpu_all_probes"]["high"]


def truth_rows(*parts: str) -> list[dict[str, Any]]:
    """The rows of parts of the bench of known truths, which its table shows, too."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.truth", "--quick", *(text for part in parts for text in ("--part", part))],
        cwd=ROOT, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    results = json.loads(done.stdout.splitlines()[-1])
    assert set(results["facts"]) == {f"{part}_s" for part in parts}
    rows: list[dict[str, Any]] = results["rows"]
    assert all(row["cause"] in done.stdout for row in rows)
    return rows


@pytest.mark.alone
@in_windows
def test_the_bench_of_known_truths_finds_an_overload() -> None:
    above, below = truth_rows("overload")
    assert {above["part"], below["part"]} == {origins.OVERLOAD}
    assert (above["value"], above["found"], below["value"], below["found"]) == (1, True, 0, True)


@in_windows
def test_the_bench_of_known_truths_ends_with_its_rows() -> None:
    rows = truth_rows("power", "resolution")
    assert {row["part"] for row in rows} == {power.PART, resolution.PART}
    resolutions = [row for row in rows if row["part"] == resolution.PART]
    assert len(resolutions) == 3
    assert all(row["value"] is None or row["value"] > 0 for row in resolutions)
