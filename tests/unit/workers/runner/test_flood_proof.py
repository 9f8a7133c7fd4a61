"""What proves a trial in a flood of SYNs: each SYN is counted and has an end; and the flood's figures."""

import pytest

from domain.loads.condition import parse_condition
from domain.trials.counters import Counters
from domain.trials.evidence import Attack, Handshakes
from domain.trials.trial import Reason, SliceResult
from tests.unit.workers.runner.fakes import FakeDatapath, World
from tests.unit.workers.runner.runner_rig import reasons, run
from tests.unit.workers.runner.test_runner_attack import under
from workers.runner.evidence import Evidence
from workers.runner.flood_proof import flood_figures, flood_findings
from workers.runner.validity import judge, prove

SENT = 10_000


def attack(answered: int = 0, sent: int = SENT, **counts: int) -> Attack:
    return Attack(sent=sent, answered=answered, handshakes=Handshakes(**counts))


@pytest.mark.parametrize(
    ("found", "counters", "words"),
    [
        (attack(SENT), Counters(), ""),
        (attack(SENT // 2, dropped=SENT // 2), Counters(), ""),
        (attack(SENT + 500, repeated=500), Counters(), ""),
        (attack(0), Counters(denied_packets=SENT), ""),
        (attack(SENT), Counters(syns=SENT + 50), ""),
        (attack(SENT - 100), Counters(syns=SENT - 100), ""),
        (attack(SENT, resent=900), Counters(syns=SENT + 950), ""),
        (attack(0, sent=0), Counters(syns=50), "sent no SYN"),
        (attack(SENT // 2, dropped=SENT // 4), Counters(), "2,500 were dropped by the server"),
        (attack(SENT + 500, repeated=1000), Counters(), "9,500 were answered"),
        (attack(SENT), Counters(syns=SENT // 2), "counted 5,000 SYNs: 10,000 of the flood, 50 of the clients"),
        (attack(SENT), Counters(syns=2 * SENT), "counted 20,000 SYNs"),
    ],
)
def test_each_syn_must_be_counted_and_have_an_end(found: Attack, counters: Counters, words: str) -> None:
    findings = list(flood_findings(found, counters, opened=50))
    assert [reason for reason, _ in findings] == [Reason.BYPASSED] * bool(words)
    assert not words or words in findings[0][1]


def test_without_a_flood_there_is_nothing_to_prove_and_no_figure() -> None:
    for none in (None, Attack(sent=5, answered=0)):
        assert list(flood_findings(none, Counters(syns=0), 50)) == []
        assert list(flood_figures(none, Counters(), 50, 1.0)) == []


def test_the_figures_of_a_flood_are_of_all_parts_that_count() -> None:
    found = attack(100, cookies_sent=300, dropped=40, resent=10)
    figures = flood_figures(found, Counters(cookies=700, denied_packets=60), 50, 2.0)
    assert {one.name: one.value for one in figures} == {
        "flood_per_s": SENT / 2, "cookies_per_s": 500, "dropped_per_s": 50, "resent_share": 0.2,
    }  # fmt: skip


def test_a_flood_is_on_one_lab_at_a_time_and_a_defence_must_account_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    assert reasons(run(world, under("syn_flood(1000)"))) == {"fake": set(), "fake#2": set()}
    assert [entry for entry in world.log if entry.startswith("attack")] == [
        f"attack {label}" for label in ("fake", "fake#2", "fake#2", "fake")
    ]
    monkeypatch.setattr(FakeDatapath, "accounts_for_floods", True)
    trials = run(World(), under("syn_flood(1000)"))
    assert reasons(trials) == {"fake": {Reason.BYPASSED}, "fake#2": {Reason.BYPASSED}}
    trial = run(World(faults={("answered", "fake"): 1000}), under("syn_flood(1000)"))["fake"]
    assert reasons({"fake": trial}) == {"fake": set()}
    assert "flood_per_s" in {one.name for one in trial.figures}


@pytest.mark.parametrize(("condition", "cause", "invalid"), [
    ("syn_flood(1000)", "timeout", False), ("syn_flood(1000)", "reset", True), ("attack(1000)", "timeout", True),
])  # fmt: skip
def test_timeouts_are_a_result_in_a_flood_and_other_errors_are_not(condition: str, cause: str, invalid: bool) -> None:
    evidence = Evidence(condition=parse_condition(condition), errors={cause: 30})
    found = judge(evidence, prove(evidence)).reasons
    assert (Reason.ERRORS in found) == invalid


@pytest.mark.parametrize(
    ("found", "reason"),
    [(attack(dropped=9), Reason.OVERLOADED), (attack(), Reason.NO_REQUESTS), (None, Reason.NO_REQUESTS)],
)
def test_a_server_without_room_for_syns_is_overloaded(found: Attack | None, reason: Reason) -> None:
    evidence = Evidence(condition=parse_condition("syn_flood(1000)"), attack=found)
    assert judge(evidence, prove(evidence)).reasons == (reason,)


def test_connections_of_the_warm_up_are_counted_by_its_requests() -> None:
    slices = [SliceResult(started_s=0, duration_s=1, requests=100, connections=8, bytes_received=0)]
    assert Evidence(slices=slices, connections=100, generated_requests=130).opened == 130
    assert Evidence(slices=slices, connections=10, generated_requests=130).opened == 13
    assert Evidence(connections=8, generated_requests=0).opened == 8
