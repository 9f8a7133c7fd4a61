"""A sentence about stages states what its intervals prove, from the pairs that the bars show, and nothing else."""

import numpy as np
import pytest
from scipy.stats import t

from coordinator.analysis.kernel.decomposition import of_trial
from domain.hosts.noise_limits import MAX_SLICE_THROTTLED_SHARE, MAX_WATCHED_FOREIGN_SHARE, MAX_WATCHED_STEAL_SHARE
from domain.reports.explanation import Difference
from domain.trials.trial import TrialResult
from tests.unit.coordinator.analysis.watched import DIRECT, PATH, TPROXY, Readings, a_trial, by_stage, reading, reported

WHERE = "at low (closed(8)) of http_keepalive"
Pair = tuple[TrialResult, TrialResult]


def pairs(count: int, gap_us: float = 400, noise_us: float = 3, *, mine: Readings = TPROXY) -> list[Pair]:
    """``count`` blocks of direct and tproxy. Their common drift is large; their difference has ``noise_us``."""
    rng = np.random.default_rng(3)
    drift, own = rng.normal(0, 20, count), rng.normal(0, noise_us, count)
    return [
        (a_trial("direct", 300 + d, DIRECT), a_trial("tproxy", 300 + gap_us + d + o, mine))
        for d, o in zip(drift, own, strict=True)
    ]


def the_difference(blocks: list[Pair]) -> Difference:
    (difference,) = reported(*blocks).differences
    return difference


def test_a_known_difference_is_stated_with_the_interval_of_each_figure() -> None:
    found = the_difference(pairs(6))
    mean, rest = found.mean_us, found.rest
    assert mean.is_known
    assert rest.low_us is not None
    assert rest.high_us is not None
    assert found.sentence == (
        f"A mean watched request of tproxy takes {mean.us:.0f} [{mean.low_us:.0f}, {mean.high_us:.0f}] µs longer "
        f"than one of direct {WHERE}, 6 pairs: only tproxy has proxy_residence (to_origin) "
        "250 [250, 250], run_queue (proxy) 120 [120, 120], socket_wait (dut) 20 [20, 20]; the rest, which no stage "
        f"explains, +{rest.us:.0f} [{rest.low_us:.1f}, {rest.high_us:.0f}]."
    )


def test_a_datapath_that_is_faster_takes_less_with_a_positive_interval() -> None:
    slow = (reading("run_queue", "origin", 90.0), reading("device_hop", "server", 3.0, 2.0))
    blocks = [
        (a_trial("direct", 800 + d, slow), a_trial("tproxy", 600 + d + d / 7, DIRECT)) for d in (1, 9, 4, 30, 2, 5)
    ]
    found = the_difference(blocks)
    assert found.mean_us.us < 0
    assert found.sentence.startswith("A mean watched request of tproxy takes 199 [19")
    assert "µs less than one of direct" in found.sentence
    assert ": run_queue (origin) −80 [−80, −80]; the rest" in found.sentence


def test_four_pairs_prove_nothing_whatever_they_show() -> None:
    found = the_difference(pairs(4, noise_us=0.1))
    assert not found.states_a_difference
    assert found.mean_us.low_us is None
    assert found.sentence == (
        f"tproxy compared with direct {WHERE}: no stage's difference is known, only 4 pairs of watched trials; "
        "a difference needs 5."
    )


def test_an_interval_that_includes_zero_states_no_difference() -> None:
    """The old sentence: "takes 36 µs longer", whatever the spread."""
    found = the_difference(pairs(6, gap_us=30, noise_us=80, mine=DIRECT))
    assert not found.states_a_difference
    assert "longer" not in found.sentence
    assert "less" not in found.sentence
    assert f"tproxy compared with direct {WHERE}, 6 pairs: no stage's difference is known, not even its sign; " in (
        found.sentence
    )
    assert "µs, which may be zero." in found.sentence


def test_the_intervals_of_a_sentence_hold_together() -> None:
    """A stage whose own interval just excludes zero is one of many that were looked at."""
    rng = np.random.default_rng(1)
    spread = rng.normal(0, 1, 6)
    spread = (spread - spread.mean()) / spread.std(ddof=1) * 8 + 10  # t = 3.06, that is p = 0.028
    stages = ("qdisc", "device_hop", "forward", "rx_steering", "notify", "splice_work")
    blocks = []
    for one in spread:
        theirs = tuple(reading(stage, "server", 50.0) for stage in stages)
        mine = (reading("qdisc", "server", 50.0 + one), *theirs[1:])
        blocks.append((a_trial("direct", 900, theirs), a_trial("tproxy", 900, mine)))
    found = the_difference(blocks)
    (qdisc,) = (part for part in found.parts if part.stage == "qdisc")
    assert qdisc.us == pytest.approx(10, abs=0.1)
    assert qdisc.low_us is not None
    assert qdisc.low_us < 0
    assert "no stage's difference is known" in found.sentence
    alone = [one.parts for one in reported(*blocks).decompositions]
    assert all(part.low_us is not None for parts in alone for part in parts)


def test_stages_may_be_known_though_the_mean_is_not() -> None:
    waits = (reading("run_queue", "origin", 50.0),)
    longer = (reading("run_queue", "origin", 70.0),)
    spread = (-90, 60, -40, 80, 20, 10)
    blocks = [(a_trial("direct", 500, waits), a_trial("tproxy", 500 + own, longer)) for own in spread]
    found = the_difference(blocks)
    assert not found.mean_us.is_known
    assert found.sentence.startswith(
        f"A mean watched request of tproxy differs from one of direct by +{found.mean_us.us:.1f} [−"
    )
    assert f"µs, which may be zero, {WHERE}, 6 pairs. Of its parts: run_queue (origin) +20 [20, 20]; the rest, " in (
        found.sentence
    )


def test_the_largest_stage_that_is_not_known_to_differ_is_named_with_the_sum_of_such_stages() -> None:
    """Without it the parts of the sentence come to far less than its whole, and nothing says why."""
    waits = (reading("run_queue", "origin", 50.0), reading("qdisc", "server", 900.0))
    blocks = []
    for own in (-700, 900, 400, -500, 800, 300):
        longer = (reading("run_queue", "origin", 70.0), reading("qdisc", "server", 900.0 + own))
        blocks.append((a_trial("direct", 2_000, waits), a_trial("tproxy", 2_000 + own, longer)))
    sentence = the_difference(blocks).sentence
    assert "run_queue (origin) +20 [20, 20]; not known to differ: qdisc (server) +200 [−" in sentence


def test_stages_that_are_not_known_to_differ_may_cancel_and_are_not_called_most_of_their_sum() -> None:
    blocks = []
    for own in (-700, 900, 400, -500, 800, 300):
        theirs = (
            reading("run_queue", "origin", 50.0),
            reading("qdisc", "server", 2_000.0),
            reading("notify", "server", 2_000.0),
        )
        mine = (reading("run_queue", "origin", 70.0), reading("qdisc", "server", 2_000.0 + own),
                reading("notify", "server", 1_990.0 - own))  # fmt: skip
        blocks.append((a_trial("direct", 9_000, theirs), a_trial("tproxy", 9_000, mine)))
    sentence = the_difference(blocks).sentence
    assert "; 2 stages that are not known to differ, −10 together, the largest of them notify" in sentence


def test_a_copy_of_the_reference_gets_its_caveat() -> None:
    other = (reading("run_queue", "origin", 50.0),)
    blocks = [(a_trial("tproxy", 500, DIRECT), a_trial("tproxy#2", 700 + own, other)) for own in range(6)]
    assert "any difference is noise" in the_difference(blocks).sentence


def uneven_pair(index: int, rng: np.random.Generator) -> Pair:
    """Some blocks lack a stage's figure in one trial, and two lack a valid trial."""
    bad = {"matched": 0.5}
    theirs = (
        reading("run_queue", "origin", rng.normal(40, 5)),
        reading("notify", "server", rng.normal(9, 1), **(bad if index in (2, 5) else {})),
    )
    mine = (
        reading("run_queue", "origin", rng.normal(70, 5), **(bad if index == 3 else {})),
        reading("notify", "server", rng.normal(9, 1)),
        reading("proxy_residence", "to_origin", rng.normal(200, 9)),
    )
    stalled = 9000 if index in (0, 8) else 0
    return (
        a_trial("direct", rng.normal(500, 90) + stalled * (index == 8), theirs, valid=index != 0),
        a_trial("tproxy", rng.normal(900, 90) + stalled * (index == 0), mine, valid=index != 8),
    )


def test_the_shown_bars_subtract_to_the_sentence() -> None:
    """Also with stalled trials whose pair is missing, and with stages that some trials did not measure."""
    rng = np.random.default_rng(8)
    report = reported(*(uneven_pair(index, rng) for index in range(9)))
    direct, tproxy = report.decompositions
    (found,) = report.differences
    assert (found.pairs, direct.trials, tproxy.trials) == (7, 7, 7)
    assert tproxy.mean_us - direct.mean_us == pytest.approx(found.mean_us.us, abs=1e-9)
    bars = by_stage(direct.parts), by_stage(tproxy.parts)
    for part in found.parts:
        key = part.stage, part.role
        assert bars[1][key] - bars[0][key] == pytest.approx(part.us, abs=1e-9)
    assert {(part.stage, part.blocks) for part in found.parts} == {("run_queue", 6), ("notify", 5)}
    assert by_stage(found.only_datapath) == {("proxy_residence", "to_origin"): bars[1]["proxy_residence", "to_origin"]}
    assert tproxy.unattributed_us - direct.unattributed_us == pytest.approx(found.rest.us, abs=1e-9)
    whole = sum(part.us for part in (*found.parts, *found.only_datapath, found.rest))
    assert whole == pytest.approx(found.mean_us.us, abs=1e-9)
    assert f"takes {found.mean_us.us:.0f} [" in found.sentence


def test_the_rest_has_the_interval_of_its_values() -> None:
    own = [10.0, 24.0, 9.0, 12.0, 35.0, 6.0]
    blocks = [(a_trial("direct", 300, DIRECT), a_trial("tproxy", 690 + rest, TPROXY)) for rest in own]
    report = reported(*blocks)
    (found,) = report.differences
    error = float(np.std(own, ddof=1)) / 6**0.5
    statements = len(found.stages) + 2
    assert statements == 7
    half = float(t.isf(0.025 / statements, 5)) * error
    for part in (found.rest, found.mean_us):
        assert part.low_us is not None
        assert part.high_us is not None
        assert (part.us - part.low_us, part.high_us - part.us) == (pytest.approx(half, rel=0.05),) * 2
    alone = report.decompositions[1]
    assert alone.unattributed_low_us is not None
    assert alone.unattributed_us - alone.unattributed_low_us == pytest.approx(float(t.isf(0.025, 5)) * error, rel=0.05)


@pytest.mark.parametrize(
    "noise",
    [
        {"steal_s": 2.1 * MAX_WATCHED_STEAL_SHARE},
        {"foreign_s": 2.1 * MAX_WATCHED_FOREIGN_SHARE},
        {"throttled_s": 2.1 * MAX_SLICE_THROTTLED_SHARE},
    ],
)
def test_a_watched_slice_with_host_noise_explains_no_valid_trial(noise: dict[str, float]) -> None:
    """The counted slices were quiet, so the trial is valid; its watched slice took six milliseconds a request."""
    quiet = {name: share / 2 for name, share in noise.items()}
    blocks = [(a_trial("direct", 458, DIRECT, noise=quiet), a_trial("tproxy", 900, TPROXY)) for _ in range(6)]
    disturbed = a_trial("direct", 6084, DIRECT, noise=noise)
    assert disturbed.validity.valid
    direct, tproxy = reported(*blocks, (disturbed, a_trial("tproxy", 900, TPROXY))).decompositions
    assert direct.mean_us == pytest.approx(458, rel=2e-3)
    assert (direct.trials, tproxy.trials, direct.disturbed, tproxy.disturbed) == (6, 6, 1, 0)


def test_a_disturbed_trial_shows_its_own_time_and_says_so() -> None:
    found = of_trial(a_trial("direct", 6084, DIRECT, noise={"steal_s": 0.2}), PATH)
    assert found is not None
    assert (found.mean_us, found.disturbed) == (pytest.approx(6084, rel=2e-3), 1)
