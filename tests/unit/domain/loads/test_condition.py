"""Conditions: their text behind a level or in [conditions], and the messages for wrong ones."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.campaigns.campaign import Campaign, read_campaign, read_campaign_toml
from domain.loads.condition import PLAIN, Condition, parse_condition
from domain.loads.condition_terms import BY_NAME, LISTED, OFFLOADS, Term, most
from domain.loads.load import AnyLoad, CapacityLoad, ClosedLoad, OpenLoad, ShareLoad, load_text
from domain.values.problems import InvalidInput
from workers.lab import offloads

conditions = st.builds(
    Condition,
    ip_version=st.sampled_from([4, 6]),
    ballast_rules=st.integers(0, most("ballast")),
    conntrack=st.booleans(),
    without=st.frozensets(st.sampled_from(OFFLOADS)),
    udp_gso=st.booleans(),
    mtu=st.none() | st.integers(1280, 9000),
    proxy_threads=st.none() | st.integers(1, 64),
    proxy_cpus=st.none() | st.integers(1, 64),
    origins=st.integers(2, most("origins")),
    loss_percent=st.integers(0, 1000).map(lambda hundredths: hundredths / 100),
    delay_us=st.none() | st.integers(1, 1_000_000),
    vlan=st.booleans(),
) | st.builds(Condition, gro=st.just(value=True), without=st.frozensets(st.sampled_from(["tso", "gso"])))
loads = st.one_of(
    st.builds(ClosedLoad, connections=st.integers(1, 10_000)),
    st.builds(OpenLoad, rate_per_s=st.integers(1, 5_000_000)),
    st.builds(ShareLoad, percent=st.integers(1, 100)),
    st.builds(CapacityLoad, p99_us=st.integers(10, 10_000_000), errors=st.sampled_from([0.0, 0.001, 0.005])),
)


def a_campaign(**change: Any) -> Campaign:
    data = {"name": "x", "datapaths": ["direct"], "levels": {"medium": "closed(64)"}}
    return read_campaign(data | change)


def problems(**change: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as caught:
        a_campaign(**change)
    return [(problem.field, problem.message) for problem in caught.value.problems]


def test_the_offloads_are_those_that_a_lab_can_set() -> None:
    assert set(OFFLOADS) == set(offloads.DEFAULTS)


@given(conditions)
def test_it_survives_being_written_in_any_order(condition: Condition) -> None:
    assert parse_condition(str(condition)) == condition
    assert parse_condition(" , ".join(reversed(condition.terms))) == condition


@given(loads, conditions)
def test_a_level_survives_with_its_condition(load: AnyLoad, condition: Condition) -> None:
    level = load.model_copy(update={"condition": condition})
    assert a_campaign(levels={"medium": str(level)}).levels["medium"] == level
    assert a_campaign(levels={"medium": level.model_dump()}).levels["medium"] == level
    again = Campaign.model_validate_json(a_campaign(levels={"medium": str(level)}).model_dump_json())
    assert again.levels["medium"] == level


@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from(["ballast(", ")", "1", ",", "conntrack", "no_gro", " "])).map("".join)
)
def test_whatever_is_written_is_a_condition_or_refused_with_a_sentence(text: str) -> None:
    try:
        found = parse_condition(text)
    except ValueError:
        assert problems(levels={"medium": {"kind": "closed", "connections": 1, "condition": text}})[0][1]
    else:
        assert parse_condition(str(found)) == found


def test_it_is_written_behind_its_level() -> None:
    level = a_campaign(levels={"medium": " closed( 64 )  under  no_gso ,ballast( 1000 ), ipv6,conntrack"}).levels[
        "medium"
    ]
    assert str(level) == "closed(64) under ipv6, ballast(1000), conntrack, no_gso"
    assert level.condition == Condition(ip_version=6, ballast_rules=1000, conntrack=True, without=frozenset({"gso"}))


@pytest.mark.parametrize("text", ["closed(64)", "closed(64) under ipv4", "closed(64) under ballast(0)"])
def test_the_plain_condition_is_no_text(text: str) -> None:
    level = a_campaign(levels={"medium": text}).levels["medium"]
    assert level == ClosedLoad(connections=64)
    assert (level.condition, str(level)) == (PLAIN, "closed(64)")


def test_a_share_is_shown_with_its_rate_before_its_condition() -> None:
    level = a_campaign(levels={"medium": "open(25%) under conntrack"}).levels["medium"]
    assert load_text(level, 9_800) == "open(25%) = 9,800/s under conntrack"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "closed(64) under",
            "names no condition after 'under'; known terms: ipv6, ballast(rules), ",
        ),
        (
            "closed(64) under balast(9)",
            "'balast(9)' is not a condition; use these terms, separated by commas: ipv6, ballast(rules), blocklist",
        ),
        ("closed(64) under ballast(1000), ", "'' is not a condition"),
        ("closed(64) under ballast(-1)", "'ballast(-1)' is not a condition"),
        ("closed(64) under ballast(20001)", "ballast(20001): at most 20000 rules"),
        ("closed(64) under no_lro", "'no_lro' is not a condition"),
        ("closed(64) under blocklist(1000001)", "at most 1000000 entries"),
        ("closed(64) under attack(500001)", "at most 500000 packets per second"),
        ("closed(64) under attack(1), attack(2)", "attack(2) is given twice"),
        ("closed(64) under gro, no_gro", "gro and no_gro exclude each other; leave out one of them"),
        ("closed(64) under loss(1), attack(5)", "loss and attack exclude each other"),
        ("closed(64) under loss(10.01)", "loss(10.01): at most 10 percent"),
        ("closed(64) under loss(0.125)", "'loss(0.125)' is not a condition"),
        ("closed(64) under ballast(1.5)", "'ballast(1.5)' is not a condition"),
        ("closed(64) under delay(0)", "delay(0): 1 to 1000000 µs"),
        ("closed(64) under mtu(1279)", "mtu(1279): 1280 to 9000 bytes"),
        ("closed(64) under mtu(9001)", "mtu(9001): 1280 to 9000 bytes"),
        ("closed(64) under mtu", "'mtu' is not a condition"),
        ("closed(64) under mtu(1500), mtu(1500)", "is given twice"),
        ("closed(64) under proxy_threads(0)", "proxy_threads(0): 1 to 64 threads"),
        ("closed(64) under proxy_cpus(0)", "proxy_cpus(0): 1 to 64 CPUs"),
        ("closed(64) under origins(1)", "origins(1): 2 to 100 origins"),
        ("closed(64) under origins(101)", "origins(101): 2 to 100 origins"),
        ("closed(64) under conntrack, conntrack", "conntrack is given twice; give it once"),
        ("closed(64) under ipv4, ipv6", "ipv6 is given twice"),
        ("closed(64) under no_gro, no_gro", "no_gro is given twice"),
        ("closed(64) conntrack", "is not a load level"),
        ("under conntrack", "'' is not a load level"),
        ("closed(64) under " + "ballast(1), " * 30, "at most 200 characters"),
    ],
)
def test_a_bad_one_is_refused_at_its_level(text: str, message: str) -> None:
    ((field, said),) = problems(levels={"medium": text})
    assert field == "levels.medium"
    assert message in said


def test_fields_of_a_condition_are_checked_too() -> None:
    level = {"kind": "closed", "connections": 1}
    assert problems(levels={"m": {**level, "condition": {"ballast_rules": 20_001}}})[0][1] == "must be at most 20000"
    assert "unknown offload lro" in problems(levels={"m": {**level, "condition": {"without": ["lro"]}}})[0][1]


# --- as a factor ---------------------------------------------------------------------------------------------


def test_conditions_cross_every_level() -> None:
    found = read_campaign_toml("""
        name = "x"
        datapaths = ["direct"]
        [levels]
        medium = "closed(64)"
        quarter = "open(25%)"
        [conditions]
        plain = ""
        ruled = "ballast(1000)"
    """)
    written = {
        "medium_plain": "closed(64)",
        "medium_ruled": "closed(64) under ballast(1000)",
        "quarter_plain": "open(25%)",
        "quarter_ruled": "open(25%) under ballast(1000)",
    }
    assert {name: str(level) for name, level in found.levels.items()} == written
    assert list(found.levels) == list(written)
    dumped = found.model_dump(mode="json")
    assert dumped["levels"] == written
    assert "conditions" not in dumped
    assert read_campaign(dumped) == found


def test_they_count_in_every_limit() -> None:
    four = {f"c{number}": f"ballast({number + 1})" for number in range(4)}
    assert a_campaign(conditions=four, blocks=3).total_blocks == 12
    levels = {f"l{number}": "closed(8)" for number in range(5)}
    assert problems(levels=levels, conditions=four) == [("levels", "5 levels under 4 conditions make 20; at most 16")]


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"conditions": {"ruled": "ballast(x)"}}, "conditions.ruled", "'ballast(x)' is not a condition"),
        ({"conditions": {"Ruled": ""}}, "conditions.Ruled", "must be a name: lower-case letters"),
        (
            {"levels": {"m": "closed(1) under conntrack"}, "conditions": {"ruled": "ballast(9)"}},
            "levels",
            "m already has a condition; remove it, or remove the campaign's conditions",
        ),
        ({"levels": {"m" * 30: "closed(1)"}, "conditions": {"ruled": ""}}, "levels", "is too long for a name"),
        (
            {"levels": {"a": "closed(1)", "a_b": "closed(2)"}, "conditions": {"b_c": "", "c": ""}},
            "levels",
            "two levels would be named a_b_c; rename a level or a condition",
        ),
    ],
)
def test_a_bad_factor_is_refused(change: dict[str, Any], field: str, message: str) -> None:
    found = problems(**change)
    assert [name for name, _ in found] == [field]
    assert message in found[0][1]


# --- the rows that everything reads --------------------------------------------------------------------------


def test_every_field_of_a_condition_has_its_rows_and_their_default() -> None:
    assert {term.field for term in LISTED} == set(Condition.model_fields)
    assert all(getattr(PLAIN, term.field) == term.default for term in LISTED)


@pytest.mark.parametrize("term", LISTED, ids=[term.name for term in LISTED])
def test_a_row_is_read_printed_and_limited(term: Term) -> None:
    if term.number is None:
        condition = parse_condition(term.name)
        assert condition.terms == (term.name,)
        assert (
            f"{term.name} is given twice" in problems(levels={"m": f"closed(1) under {term.name}, {term.name}"})[0][1]
        )
        return
    for digits in (max(term.number.least, 1), term.number.most):
        condition = parse_condition(f"{term.name}({digits})")
        assert getattr(condition, term.field) == digits
        assert condition.terms == (f"{term.name}({digits})",)
    beyond = term.number.most + 1
    (said,) = [message for _, message in problems(levels={"m": f"closed(1) under {term.name}({beyond})"})]
    assert said.endswith(f"{term.name}({beyond}): {term.number.limits}")
    level = {"kind": "closed", "connections": 1, "condition": {term.field: beyond}}
    assert "must be at most" in problems(levels={"m": level})[0][1]


def test_a_condition_needs_what_its_rows_need() -> None:
    assert PLAIN.needs == ()
    assert parse_condition("conntrack, ballast(1), ipv6").needs == ("program.nft", "nft.ct")
    assert BY_NAME["ballast"].needs == ("program.nft",)


def test_the_usual_number_of_origins_is_the_plain_condition() -> None:
    assert parse_condition("origins(4)") == PLAIN
    assert parse_condition("origins(100)").origins == 100
