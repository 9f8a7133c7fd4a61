"""The telemetry account: its sums, its words, and its point."""

import json

from domain.probes.sample import TELEMETRY_COUNTS, loss_field, telemetry_point
from domain.probes.telemetry import CAUSES, LossCause, TelemetryAccount
from domain.values.bounds import MAX_COUNT
from tests.audit import unaccounted

ACCOUNT = TelemetryAccount(
    produced=100, delivered=60, spooled=20, queued=5, lost=15,
    losses={LossCause.REJECTED: 2, LossCause.SPOOL_FULL: 9, LossCause.QUEUE_FULL: 4},
)  # fmt: skip


def test_accounts_keep_the_first_reason() -> None:
    one = TelemetryAccount(produced=3, delivered=2, lost=1)
    other = TelemetryAccount(produced=4, lost=4, missing="InfluxDB is down")
    both = TelemetryAccount.total([one, other, TelemetryAccount(missing="later")])
    assert both == TelemetryAccount(produced=7, delivered=2, lost=5, missing="InfluxDB is down")


def test_accounts_add_up_by_cause() -> None:
    other = TelemetryAccount(produced=3, spooled=1, lost=2, losses={LossCause.REJECTED: 1, LossCause.OFF: 1})
    both = TelemetryAccount.total([ACCOUNT, other])
    assert (both.produced, both.delivered, both.spooled, both.queued, both.lost) == (103, 60, 21, 5, 17)
    assert both.losses == {"rejected": 3, "spool_full": 9, "queue_full": 4, "off": 1}
    assert unaccounted(both) == 0
    assert (both.rejected, both.dropped) == (3, 13)


def test_no_sum_is_more_than_a_count_can_be() -> None:
    most = TelemetryAccount(produced=MAX_COUNT, lost=MAX_COUNT, losses={LossCause.OFF: MAX_COUNT})
    assert TelemetryAccount.total([most, most]) == most
    assert TelemetryAccount.total([]) == TelemetryAccount()


def test_an_unaccounted_point_is_found() -> None:
    assert unaccounted(TelemetryAccount(produced=3, delivered=1, lost=1)) == 1


def test_every_cause_has_words() -> None:
    assert set(CAUSES) == set(LossCause)
    assert ACCOUNT.causes.startswith("2 refused by InfluxDB; 9 the spool was full")
    assert TelemetryAccount(lost=3).causes == ""


def test_an_account_survives_json_and_an_old_one_loads() -> None:
    assert TelemetryAccount.model_validate_json(ACCOUNT.model_dump_json()) == ACCOUNT
    old = json.dumps({"produced": 3, "delivered": 1, "lost": 2, "missing": "away"})
    assert TelemetryAccount.model_validate_json(old).losses == {}


def test_the_point_has_every_count_even_when_it_is_zero() -> None:
    fields = telemetry_point("c", "h", ACCOUNT, 1, spool_bytes=4096, spool_age_s=3).fields
    assert {name: fields[name] for name in TELEMETRY_COUNTS} == {
        "produced": 100, "delivered": 60, "spooled": 20, "queued": 5, "lost": 15, "rejected": 2, "dropped": 13,
    }  # fmt: skip
    assert {fields[loss_field(cause)] for cause in LossCause} == {0, 2, 4, 9}
    assert (fields["spool_bytes"], fields["spool_age_s"]) == (4096, 3.0)
