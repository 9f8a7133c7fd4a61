"""Stacks survive encoding and bounding, and a flame graph's widths are the stacks' shares."""

import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.analysis.kernel import flamegraph
from coordinator.analysis.kernel.flamegraph import WIDTH, flame_svg, layout, merge, shares, tree
from domain.probes.stacks import OTHER, ROLES, Stacks

SVG = "{http://www.w3.org/2000/svg}"
ONE = Stacks(
    {"dut": {"main;read_[k]": 30, "main;write_[k]": 10}, "softirq": {"net_rx_action_[k]": 60}}, hertz=997, lost=2
)
# As deep and as wide as needed; drawing larger ones took most of these tests' time.
frames = st.text("ab<&\"'_", min_size=1, max_size=6)
any_stacks = st.builds(
    Stacks,
    st.dictionaries(
        st.sampled_from(ROLES),
        st.dictionaries(st.lists(frames, min_size=1, max_size=6).map(";".join), st.integers(1, 1000), max_size=8),
    ),
    hertz=st.integers(0, 1000),
    lost=st.integers(0, 1000),
)


@given(any_stacks)
def test_encoding_loses_nothing(stacks: Stacks) -> None:
    assert Stacks.decode(stacks.encode()) == stacks


@pytest.mark.parametrize(
    "text",
    ["", "x", "e30=", "eJyrrgUAAXUA+Q==", Stacks({"dut": {"a": 1}}).encode()[:-8], "💥"],
)
def test_what_is_not_encoded_stacks_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not encoded stacks"):
        Stacks.decode(text)


def test_a_role_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown role: elsewhere"):
        Stacks({"elsewhere": {"a": 1}})


@given(any_stacks, st.integers(0, 5))
def test_bounds_lose_no_sample(stacks: Stacks, limit: int) -> None:
    bounded = stacks.bounded(limit)
    assert bounded.samples == stacks.samples
    assert sum(stack != OTHER for counts in bounded.counts.values() for stack in counts) <= limit


@given(any_stacks, any_stacks)
def test_a_sum_has_both(one: Stacks, other: Stacks) -> None:
    total = one.plus(other)
    assert (total.samples, total.lost) == (one.samples + other.samples, one.lost + other.lost)


def test_folded_lines_are_what_every_tool_reads() -> None:
    assert ONE.folded() == [
        "dut;main;read_[k] 30",
        "dut;main;write_[k] 10",
        "softirq;net_rx_action_[k] 60",
    ]


def test_widths_are_shares() -> None:
    boxes = {box.frame.name: box for box in layout(tree(ONE), 0.0, WIDTH)}
    assert boxes["all"].width == WIDTH
    assert boxes["dut"].width == pytest.approx(0.4 * WIDTH)
    assert boxes["read_[k]"].width == pytest.approx(0.3 * WIDTH)
    assert boxes["write_[k]"].x == pytest.approx(0.3 * WIDTH)
    assert (boxes["softirq"].x, boxes["softirq"].row, boxes["read_[k]"].row) == (pytest.approx(0.4 * WIDTH), 1, 3)
    assert shares(ONE) == {"dut": 0.4, "softirq": 0.6}


@given(any_stacks.filter(lambda stacks: stacks.samples > 0))
def test_every_graph_is_well_formed_and_stays_within_its_width(stacks: Stacks) -> None:
    svg = ElementTree.fromstring(flame_svg("a < b & c", stacks, stacks))  # our own text
    for box in svg.iter(f"{SVG}rect"):
        assert 0 <= float(box.attrib["x"]) <= WIDTH
        assert float(box.attrib["x"]) + float(box.attrib["width"]) <= WIDTH + 0.3


def test_a_difference_shows_shares_and_colors() -> None:
    # Twice the samples with the same shares; only the softirq's share moved to the proxy.
    reference = Stacks({"dut": {"main;read_[k]": 120, "main;write_[k]": 20}, "softirq": {"net_rx_action_[k]": 60}})
    svg = flame_svg("t", ONE, reference)
    assert "read_[k]: 30.00 % of 100 samples, -30.00 % relative to the reference" in svg
    assert "net_rx_action_[k]: 60.00 % of 100 samples, +30.00 % relative to the reference" in svg
    fills = {
        group.findtext(f"{SVG}title", "").partition(":")[0]: group.find(f"{SVG}rect").attrib["fill"]  # type: ignore[union-attr]
        for group in ElementTree.fromstring(svg).iter(f"{SVG}g")
    }
    assert fills["read_[k]"].startswith("hsl(215 ")
    assert fills["net_rx_action_[k]"].startswith("hsl(0 ")
    assert fills["write_[k]"] == "hsl(215 85% 96%)"


def test_without_samples_there_is_no_graph() -> None:
    with pytest.raises(ValueError, match="no samples"):
        flame_svg("t", merge([]))


def test_of_very_many_frames_only_the_widest_are_drawn_and_each_keeps_its_caller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(flamegraph, "MAX_FRAMES", 40)
    many = Stacks({"server": {f"main;f{n};g{n}": 1 + n for n in range(60)}}, hertz=997)
    svg = flame_svg("many", many)
    assert 30 <= svg.count("<g data-x") <= 40
    assert "main: 100.00 %" in svg
    for n in range(60):
        assert (f"<title>f{n}:" in svg) or (f"<title>g{n}:" not in svg)
    assert "<title>f59:" in svg
    assert "<title>f0:" not in svg


def test_of_too_many_frames_those_of_frequent_stacks_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flamegraph, "MAX_TREE", 50)
    rare = {";".join(f"r{number}.{depth}" for depth in range(20)): 1 for number in range(50)}
    stacks = Stacks({"dut": {"main;often": 500, **rare}, "client": {"x" * 10_000: 500}}, hertz=99)
    root = tree(stacks)
    frames, waiting = 0, [root]
    while waiting:
        frame = waiting.pop()
        waiting += frame.children.values()
        frames += 1
    assert frames <= 51
    assert root.count == stacks.samples
    assert root.children["dut"].children["main"].children["often"].count == 500
    assert len(flame_svg("t", stacks)) < 100_000, "a name of any length is cut"
