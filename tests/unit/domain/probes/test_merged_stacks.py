"""Stacks of many trials: a sum in bounded memory, of which no sample is lost."""

import random

from domain.probes.merged_stacks import MergedStacks
from domain.probes.stacks import OTHER, Stacks


def test_what_fits_is_the_plain_sum() -> None:
    rng, merged, plain = random.Random(7), MergedStacks(10_000), Stacks()
    for _ in range(50):
        counts = {role: {f"f{rng.randrange(20)};g": rng.randrange(1, 9)} for role in ("client", "dut")}
        one = Stacks(counts, hertz=99, lost=rng.randrange(3))
        merged.add(one)
        plain = plain.plus(one)
    assert merged.whole == plain


def test_stacks_that_are_new_in_each_trial_are_merged_and_no_sample_is_lost() -> None:
    merged = MergedStacks(1_000)
    for number in range(500):
        merged.add(Stacks({"dut": {"main;often": 5, f"main;{number};{'x' * 300}": 1}}, hertz=99))
    found = merged.whole
    assert found.samples == 500 * 6
    assert found.counts["dut"]["main;often"] == 2_500
    assert found.counts["dut"][OTHER] > 400
    assert sum(map(len, found.counts["dut"])) <= 1_000 + len(OTHER)
