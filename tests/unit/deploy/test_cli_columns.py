"""The columns of the printed table: no number is cut, and a ratio shows what it divides."""

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


def test_no_number_is_cut_where_names_of_levels_are_long():
    load = "open(3000..30000, ramp)"
    long = {"level": "rising_for_two_minutes", "load": load}
    report = reference_report(
        results=[cell(datapath).model_copy(update=long) for datapath in RATIOS],
        verdicts=[verdict(d).model_copy(update={"level": long["level"]}) for d in RATIOS if d != "tproxy"],
    )
    lines = printed(report)
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if "…" in line]
    assert [line for line in lines if f"{long['level']} {load}" in line]
