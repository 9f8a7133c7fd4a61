"""The doctor shows what needs attention first, and everything on request."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from domain.service.jobs import Feature, HostCapabilities, Variant
from workers.agent import capabilities, cli

HOST = HostCapabilities(
    host="h1",
    datapaths=(Variant(name="direct"), Variant(name="tproxy", missing=("nft.tproxy: absent. Load nft_tproxy.",))),
    workloads=(Variant(name="http_keepalive"),),
    probes=(Variant(name="run_queue"),),
    features=(Feature(name="bpf.tcx", present=True), Feature(name="nft.tproxy", present=False, reason="absent")),
)


@pytest.fixture
def doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(capabilities, "host_capabilities", lambda _: HOST)
    environment = {"SHOWDOWN_STATE_DIR": str(tmp_path), "SHOWDOWN_HOST": "h1"}
    return lambda *arguments: CliRunner().invoke(cli.doctor, arguments, env=environment)


def text(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return " ".join(result.stdout.split())


def test_problems_only(doctor) -> None:
    shown = text(doctor())
    assert "1 of 2 datapaths run here" in shown
    assert "all 1 workloads run here" in shown
    assert "Load nft_tproxy." in shown
    assert "direct" not in shown
    assert "bpf.tcx" not in shown
    assert "1 of 2 features are present" in shown
    assert "feature nft.tproxy no absent" in " ".join(shown.replace("│", " ").split())
    assert "Telemetry pipeline: healthy" in shown


def test_everything(doctor) -> None:
    shown = text(doctor("--all"))
    for name in ("direct", "tproxy", "bpf.tcx", "nft.tproxy", "run_queue"):
        assert name in shown
