"""The columns of the printed table: no number is cut, and a ratio shows what it divides."""

import pytest

from domain.loads.metric import Metric
from tests.unit.deploy.test_cli_render import RATIOS, cell, printed, reference_report, verdict


def test_a_ratio_that_has_blocks_of_the_focus_shows_the_figures_that_it_divides():
    """The figures above it are of fewer blocks, and their quotient is another number."""
    focused = verdict("ebpf_sk_assign").model_copy(
        update={"pairs": 16, "focused_pairs": 11, "figure": 50_505.0, "reference_figure": 50_005.0}
    )
    lines = printed(reference_report(verdicts=[focused, verdict("direct")]))
    (own,) = [line.split() for line in lines if line.startswith("    its figures")]
    assert own == ["its", "figures", "–", "50,505", "÷", "50,005", "–", "–"]
    assert "With blocks of the focus in it, its own figures stand below it." in lines
    assert not any("its figures" in line for line in printed(reference_report()))


@pytest.mark.parametrize(
    "load", ["open(3000..30000, ramp)", "open(1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, steps)"]
)
@pytest.mark.parametrize("level", ["rising_for_two_minutes", "rising_for_two_minutes_and_a_little_more"])
def test_no_number_is_cut_however_long_the_name_of_a_level_is(level, load):
    figures = {"pairs": 16, "focused_pairs": 11, "figure": 189_658.0, "reference_figure": 187_732.0, "level": level}
    compared = [datapath for datapath in RATIOS if datapath != "tproxy"]
    verdicts = [verdict(datapath, metric=Metric.CPU_US_PER_REQUEST) for datapath in compared]
    report = reference_report(
        results=[cell(datapath).model_copy(update={"level": level, "load": load}) for datapath in RATIOS],
        verdicts=[one.model_copy(update=figures) for one in verdicts],
    )
    lines = printed(report)
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if "…" in line]
    assert sum(line.count("189,658.0 ÷ 187,732.0") for line in lines) == 3
    assert any(level in line for line in lines)
