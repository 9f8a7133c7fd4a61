"""What ``--out`` asks the coordinator for, from a coordinator."""

import json
from pathlib import Path

import httpx
import pytest
from hdrh.histogram import HdrHistogram

from deploy.cli.files.evidence import fetch_evidence
from deploy.cli.files.result_files import ResultFiles
from deploy.cli.rest.client import Coordinator
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.domain.reports.test_hdr_log import read


def test_every_trial_table_and_log_is_kept(
    coordinator_app: CoordinatorApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("deploy.cli.rest.client.TRIALS_OF_A_PAGE", 3)
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=5, expect={"fast": "tproxy.requests_per_s >= 0.5 * direct"})
    for block in range(5):
        coordinator_app.run_block(reasons=("drops",) if block == 1 else ())
        coordinator_app.wait(1, present=("h1",))
    transport = httpx.WSGITransport(app=coordinator_app.app)
    out = tmp_path / "out"
    out.mkdir()
    with Coordinator("http://localhost", coordinator_app.settings.token, transport) as coordinator:
        report = coordinator.report(campaign_id)
        fetch_evidence(coordinator, report, ResultFiles(out=out))
    assert {"results.csv", "verdicts.csv", "expectations.csv"} <= {path.name for path in out.iterdir()}
    assert (out / "results.csv").read_bytes() == coordinator_app.get(f"campaigns/{campaign_id}/results.csv").data
    trials = json.loads((out / "trials.json").read_text())["trials"]
    assert len(trials) == 10
    assert {path.stem for path in (out / "trials").iterdir()} == {one["id"] for one in trials}
    invalid = next(one for one in trials if not one["validity"]["valid"])
    times: list[HdrHistogram] = read((out / "trials" / f"{invalid['id']}.hlog").read_text(), tmp_path)
    assert times[0].get_total_count() == 1000
    assert '<h2 id="answer">' in (out / "report.html").read_text()
    assert capsys.readouterr().err == ""
