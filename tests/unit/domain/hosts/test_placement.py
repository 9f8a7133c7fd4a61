"""A placement is a fact of a fingerprint, and hosts may differ in it."""

import pytest

from domain.hosts.placement import CPU_PLACEMENT, SHARED, are_shared, different_facts, dut_cpus, priority_text
from workers.lab.cpus import Placement

OWN = "generator on 0; DUT on 1-2; origin on 3"
ALL = f"{SHARED}: generator, DUT and origin run on 0-1"


@pytest.mark.parametrize(
    ("placements", "shared", "text"),
    [
        ([OWN, OWN], False, OWN),
        ([ALL], True, ALL),
        ([OWN, ALL], True, f"{OWN}; or {ALL}"),
        ([OWN, ""], True, OWN),
        ([], True, ""),
    ],
)
def test_hosts_are_taken_together(placements: list[str], shared: bool, text: str) -> None:
    facts = [{CPU_PLACEMENT: one} if one else {"kernel": "6.18"} for one in placements]
    assert are_shared(facts) is shared
    assert different_facts(CPU_PLACEMENT, facts) == text


@pytest.mark.parametrize(
    ("granted", "text"),
    [(None, "wrk"), (True, "wrk with real-time priority (SCHED_RR)"), (False, "wrk without real-time priority")],
)
def test_a_generators_priority_stands_behind_its_name(granted: bool | None, text: str) -> None:
    assert f"wrk{priority_text(granted)}" == text


@pytest.mark.parametrize(
    ("placement", "count"),
    [
        (str(Placement((0, 1), (0, 1), (0, 1))), 2),
        (str(Placement((0,), (1, 2, 3, 6), (7,))), 4),
        (str(Placement((0,), (5,), (7,))), 1),
        ("", None),
        ("an unknown text", None),
    ],
)
def test_a_fingerprint_says_how_many_cpus_the_dut_has(placement: str, count: int | None) -> None:
    assert dut_cpus({CPU_PLACEMENT: placement}) == count
