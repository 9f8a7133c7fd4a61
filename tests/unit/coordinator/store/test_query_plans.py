"""What a report of a block asks of the database is answered by indexes: it costs the same in any campaign."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, event, text

from tests.unit.coordinator.coordinator_app import CoordinatorApp, result

Statement = tuple[str, Any]


@contextmanager
def statements(app: CoordinatorApp) -> Iterator[list[Statement]]:
    """What the database is asked, with the parameters."""
    found: list[Statement] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        found.append((statement, parameters))

    event.listen(app.store.engine, "before_cursor_execute", note)
    yield found
    event.remove(app.store.engine, "before_cursor_execute", note)


def slow_steps(connection: Connection, statement: Statement) -> list[str]:
    """The steps of SQLite's plan that visit a whole table of blocks or of what belongs to them, or that sort those."""
    rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement[0]}", statement[1]).all()
    tables = "blocks|attempts|trials|digests|pools|events"
    # At most 50 campaigns are open, and these are sorted by their age.
    sorts = "B-TREE" if "ORDER BY campaigns.created_at" not in statement[0] else "B-TREE FOR DISTINCT"
    sorts = "B-TREE" if re.search(r"FROM blocks JOIN", statement[0]) else sorts
    return [row[3] for row in rows if re.search(rf"SCAN ({tables})\b|{sorts}", row[3])]


def test_a_report_of_a_block_visits_no_other_block(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    coordinator_app.submit(blocks=3)
    message = coordinator_app.last_sent()
    body = {"lease": coordinator_app.claim(message), "result": result("h1", ["direct", "tproxy"])}
    with statements(coordinator_app) as found:
        assert coordinator_app.call("report", message, body).status_code == 204
    assert len(found) > 10
    selects = [one for one in found if one[0].startswith("SELECT")]
    with coordinator_app.store.engine.connect() as connection:
        slow = {one[0]: steps for one in selects if (steps := slow_steps(connection, one))}
        assert slow_steps(connection, ("SELECT state FROM blocks", ())), "the test knows a slow one"
        by_index = "EXPLAIN QUERY PLAN SELECT id FROM blocks WHERE campaign_id = 'c' AND state IN ('a', 'b') LIMIT 1"
        assert "ix_blocks_campaign_id_state_index" in str(connection.execute(text(by_index)).all())
    assert slow == {}
