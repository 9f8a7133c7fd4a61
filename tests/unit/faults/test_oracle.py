"""The oracle of the fault tests says what is wrong with a campaign, and nothing of a sound one."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from domain.probes.telemetry import TelemetryAccount
from tests.faults.oracle import violations, wrong_rows
from tests.faults.rows import Rows
from tests.faults.traces import Traces

SOUND = TelemetryAccount(produced=5, delivered=5)
TABLES = """
CREATE TABLE campaigns (id TEXT, state TEXT);
CREATE TABLE blocks (id TEXT, campaign_id TEXT, state TEXT, reason TEXT, calibration INTEGER);
CREATE TABLE attempts (id TEXT, block_id TEXT, number INTEGER, state TEXT, reason TEXT);
CREATE TABLE trials (id TEXT, attempt_id TEXT, datapath TEXT);
INSERT INTO campaigns VALUES ('c', 'complete');
INSERT INTO blocks VALUES ('c-0', 'c', 'done', '', 0), ('c-1', 'c', 'failed', 'nothing could be measured', 0);
INSERT INTO attempts VALUES ('c-0.1', 'c-0', 1, 'lost', 'it stopped reporting'), ('c-0.2', 'c-0', 2, 'done', ''),
  ('c-1.1', 'c-1', 1, 'failed', 'no lab');
INSERT INTO trials VALUES ('1', 'c-0.2', 'direct'), ('2', 'c-0.2', 'tproxy');
"""


def judged(tmp_path: Path, change: str, account: TelemetryAccount = SOUND) -> list[str]:
    with closing(sqlite3.connect(tmp_path / "showdown.sqlite")) as connection:
        connection.executescript(TABLES + change)
    return violations(f"sqlite:///{tmp_path}/showdown.sqlite", "c", account)


def test_a_sound_campaign_has_no_violation(tmp_path: Path) -> None:
    assert judged(tmp_path, "") == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE campaigns SET state = 'running'", "the campaign is running"),
        ("UPDATE blocks SET state = 'dispatched' WHERE id = 'c-0'", "block c-0: it is dispatched"),
        ("UPDATE blocks SET reason = '' WHERE id = 'c-1'", "block c-1: it failed without a reason"),
        ("UPDATE attempts SET state = 'running' WHERE id = 'c-1.1'", "block c-1: attempt 1 is running"),
        ("DELETE FROM trials", "block c-0: attempt 2 has 0 trials of 0 datapaths"),
        ("INSERT INTO trials VALUES ('3', 'c-0.2', 'direct')", "block c-0: attempt 2 has 3 trials of 2 datapaths"),
        ("INSERT INTO trials VALUES ('3', 'c-0.1', 'direct')", "block c-0: attempt 1 is lost, with 1 trials and the"),
        ("DELETE FROM attempts WHERE id = 'c-0.2'", "block c-0: it is done without a result"),
        ("DELETE FROM attempts WHERE id = 'c-0.1'", "block c-0: its attempts are [2]"),
        ("UPDATE attempts SET reason = '' WHERE id = 'c-0.1'", "block c-0: attempt 1 is lost, with 0 trials and the"),
    ],
)
def test_what_was_lost_doubled_or_left_open_is_said(tmp_path: Path, change: str, said: str) -> None:
    found = judged(tmp_path, change)
    assert any(one.startswith(said) for one in found), found


def test_points_in_no_account_are_said(tmp_path: Path) -> None:
    lacking = TelemetryAccount(produced=5, delivered=4)
    assert judged(tmp_path, "", lacking) == ["1 points of telemetry are in no account"]


@pytest.mark.parametrize(
    ("account", "rows", "change", "said"),
    [
        ({"delivered": 5}, 5, "", ""),
        ({"delivered": 5}, 4, "", "InfluxDB has 4 of 5 delivered points"),
        ({"delivered": 5}, 6, "", "InfluxDB has 6 points of blocks, and at most 5 were sent"),
        ({"delivered": 5, "spooled": 2, "queued": 1}, 8, "", ""),
        (
            {"delivered": 5, "spooled": 2, "queued": 1},
            9,
            "",
            "InfluxDB has 9 points of blocks, and at most 8 were sent",
        ),
        ({"delivered": 5, "lost": 3, "losses": {"killed": 3}}, 8, "", ""),
        (
            {"delivered": 5, "lost": 3, "losses": {"rejected": 3}},
            6,
            "",
            "InfluxDB has 6 points of blocks, and at most 5 were sent",
        ),
        ({"delivered": 5}, 9, "UPDATE attempts SET state = 'lost'", ""),
    ],
)
def test_rows_that_are_missing_or_too_many_are_said(
    tmp_path: Path, account: dict[str, Any], rows: int, change: str, said: str
) -> None:
    all_done = "UPDATE attempts SET state = 'done';"
    with closing(sqlite3.connect(tmp_path / "showdown.sqlite")) as connection:
        connection.executescript(TABLES + all_done + change)
    produced = sum(value for value in account.values() if isinstance(value, int))
    found = wrong_rows(
        f"sqlite:///{tmp_path}/showdown.sqlite", "c", TelemetryAccount(produced=produced, **account), Rows(rows)
    )
    assert found == ([said] if said else [])


def test_what_labs_left_is_said() -> None:
    before = Traces({"namespace": frozenset({"sd-1"})}, {"device": frozenset({"lo", "eth0"})})
    after = Traces(
        {"namespace": frozenset({"sd-1", "sd-2"}), "control group": frozenset({"g"})},
        {"device": frozenset({"lo", "veth1"})},
    )
    assert list(after.more_than(before)) == [
        "namespace sd-2", "control group g", "device veth1", "gone: device eth0"
    ]  # fmt: skip
    assert list(before.more_than(before)) == []


def test_this_host_is_the_same_twice() -> None:
    """What changes by itself would be blamed on each fault. Other tests make devices and namespaces meanwhile."""
    once = Traces.now()
    assert {"setting", "rule", "device"} <= {kind for kind, names in once.host.items() if names}
    assert [one for one in Traces.now().more_than(once) if "rule " in one] == []
