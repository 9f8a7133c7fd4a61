"""Accepting a report of a block is as much work for the database in a large campaign as in a small one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from tests.unit.coordinator.coordinator_app import CoordinatorApp, result

SMALL, LARGE = 4, 200
_EACH = 10  # instructions


class Work:
    """How many instructions SQLite's machine has run."""

    instructions = 0


@contextmanager
def counted(app: CoordinatorApp) -> Iterator[Work]:
    """The work of the database, whatever the machine is doing."""
    work = Work()

    def count() -> int:
        work.instructions += _EACH
        return 0

    def watch(connection: Any, *_: Any) -> None:
        connection.set_progress_handler(count, _EACH)

    event.listen(app.store.engine, "checkout", watch)
    yield work
    event.remove(app.store.engine, "checkout", watch)


def of_a_report(app: CoordinatorApp, blocks: int) -> int:
    """The instructions for the report of the second block of a new campaign."""
    campaign_id = app.submit(blocks=blocks, slices=2, slice_s=0.1, warm_up_s=0)
    app.run_block()
    message = app.last_sent()
    assert message.block_id.startswith(campaign_id)
    body = {"lease": app.claim(message), "result": result("h1", ["direct", "tproxy"])}
    with counted(app) as work:
        assert app.call("report", message, body).status_code == 204
        found = work.instructions
    app.cancel(campaign_id)
    app.wait(100, present=("h1",))
    return found


def test_a_report_costs_the_database_the_same_in_a_campaign_of_any_size(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    of_a_report(coordinator_app, SMALL)  # the first one prepares statements
    small, large = of_a_report(coordinator_app, SMALL), of_a_report(coordinator_app, LARGE)
    assert small > 100
    assert large == pytest.approx(small, rel=0.25)
