"""A placement is a fact of a fingerprint, and hosts may differ in it."""

import pytest

from domain.placement import CPU_PLACEMENT, SHARED, are_shared, placements_text

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
    assert placements_text(facts) == text
