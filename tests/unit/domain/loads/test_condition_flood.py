"""The condition of a flood: its text, its limit, and that it excludes an attack."""

import pytest

from domain.loads.condition import Condition, parse_condition
from domain.loads.condition_terms import most


def test_it_survives_being_written() -> None:
    condition = Condition(syn_flood_per_s=20_000, blocklist_entries=5)
    assert str(condition) == "blocklist(5), syn_flood(20000)"
    assert parse_condition(str(condition)) == condition
    assert condition.spoofed_per_s == 20_000
    assert parse_condition("attack(7)").spoofed_per_s == 7


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"syn_flood({most('syn_flood') + 1})", "at most 500000 SYNs per second"),
        ("syn_flood(1), attack(1)", "exclude each other"),
        ("syn_flood(1), syn_flood(2)", "given twice"),
        ("synflood(1)", "not a condition"),
    ],
)
def test_wrong_ones_are_refused_with_the_fix(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_condition(text)
