"""What waits in the outbox too long, or was set aside, is shown where people look."""

import json
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from domain.service.jobs import HostCapabilities
from tests.unit.workers.agent.test_reports import connected
from workers.agent import capabilities, cli
from workers.agent.api_client import OUTBOX_FEATURE
from workers.agent.outbox import outbox_state


def test_files_that_were_set_aside_are_shown(tmp_path: Path) -> None:
    seen: list[HostCapabilities] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(HostCapabilities.model_validate_json(request.content))
        return httpx.Response(204)

    coordinator = connected(tmp_path, handler)
    outbox = tmp_path / "workers" / "h1" / "outbox"
    outbox.mkdir(parents=True)
    coordinator.register(HostCapabilities(host="h1"))
    (outbox / "k1-0-1.bad").write_text("{")
    (outbox / "k1-1-1.json").write_text("{}")
    coordinator.register(HostCapabilities(host="h1"))
    assert seen[0].features == ()
    (feature,) = seen[1].features
    assert (feature.name, feature.present) == (OUTBOX_FEATURE, False)
    assert str(outbox) in feature.reason
    assert "k1-0-1.bad" in feature.reason
    state = outbox_state(outbox)
    assert (state.waiting, state.set_aside) == (1, ("k1-0-1.bad",))
    assert state.text == "1 waiting, the oldest for 0 min; 1 set aside: k1-0-1.bad"
    (outbox / "k1-0-1.bad").unlink()
    at_s = (outbox / "k1-1-1.json").stat().st_mtime
    assert not outbox_state(outbox, lambda: at_s + 300).needs_attention
    late = outbox_state(outbox, lambda: at_s + 1500)
    assert (late.needs_attention, late.text) == (True, "1 waiting, the oldest for 25 min")


def test_the_doctor_shows_the_outbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capabilities, "host_capabilities", lambda host: HostCapabilities(host=host))
    outbox = tmp_path / "workers" / "h1" / "outbox"
    outbox.mkdir(parents=True)
    (outbox / "k1-0-1.bad").write_text("{")
    environment = {"SHOWDOWN_STATE_DIR": str(tmp_path), "SHOWDOWN_HOST": "h1", "COLUMNS": "200"}
    text = CliRunner().invoke(cli.doctor, env=environment).stdout
    assert f"Reports for the coordinator, in {outbox}: empty; 1 set aside: k1-0-1.bad" in text
    found = json.loads(CliRunner().invoke(cli.doctor, ["--json"], env=environment).stdout)
    assert found["outbox"]["set_aside"] == ["k1-0-1.bad"]
