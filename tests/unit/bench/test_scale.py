"""The bench of the largest campaign, with a small one; and what must hold at any size."""

from pathlib import Path
from typing import Any

from sqlalchemy import event

from tests.bench.scale import fill, read
from tests.unit.bench.in_process import InProcess


def test_the_bench_runs_and_a_report_reads_no_trials(tmp_path: Path) -> None:
    showdown = InProcess(tmp_path)
    filled = fill(showdown, 10, 4, probes=True)
    campaign = filled["campaign"]
    showdown.close()
    showdown = InProcess(tmp_path)
    found = read(showdown, campaign)
    assert found["report_cold_s"] > 0
    assert found["every_trial_mb"] < 10
    read_before = statements(showdown, f"campaigns/{campaign}/trials?limit=2")
    assert any(" trials " in statement for statement in read_before), "the test sees when trials are read"
    for path in (f"campaigns/{campaign}/report", f"worker/campaigns/{campaign}/progress", f"campaigns/{campaign}"):
        read_now = statements(showdown, path)
        assert read_now
        assert not any(" trials " in statement or "pools.histograms" in statement for statement in read_now), path


def statements(showdown: InProcess, path: str) -> list[str]:
    """The statements that the database executes for an answer."""
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        found.append(" ".join(statement.split()))

    event.listen(showdown.store.engine, "before_cursor_execute", note)
    showdown.ask("GET", path)
    event.remove(showdown.store.engine, "before_cursor_execute", note)
    return found
