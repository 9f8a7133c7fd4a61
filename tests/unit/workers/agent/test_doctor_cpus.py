"""The doctor says whether generator, DUT and origin have CPUs of their own on this host."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from domain.service.jobs import HostCapabilities
from workers.agent import capabilities, cli
from workers.inventory.features import cpus_of_their_own
from workers.lab.cpus import allocate

TWO = [(0,), (1,)]
FOUR = [(0,), (1,), (2,), (3,)]
SIBLINGS = [(0, 1), (2, 3)]


@pytest.mark.parametrize(
    ("cores", "present", "reason"),
    [
        (TWO, False, "generator, DUT and origin share 2 CPUs of 2 cores: each takes time from the others."),
        (SIBLINGS, False, "generator, DUT and origin share 4 CPUs of 2 cores: each takes time from the others."),
        (FOUR, True, ""),
    ],
)
def test_it_is_a_feature_with_its_remedy(cores: list[tuple[int, ...]], present: bool, reason: str) -> None:
    feature = cpus_of_their_own(cores)
    assert (feature.name, feature.present, feature.reason) == ("cpus.own", present, reason)
    assert feature.remedy == ("" if present else "Use a host with at least 4 CPUs of 3 cores.")


@pytest.mark.parametrize("cores", [TWO, FOUR])
def test_the_doctor_prints_who_runs_where(
    cores: list[tuple[int, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = str(allocate(cores))
    host = HostCapabilities(host="h1", features=(cpus_of_their_own(cores),), fingerprint={"cpu_placement": placed})
    monkeypatch.setattr(capabilities, "host_capabilities", lambda _: host)
    environment = {"SHOWDOWN_STATE_DIR": str(tmp_path), "SHOWDOWN_HOST": "h1", "COLUMNS": "200"}
    output = " ".join(CliRunner().invoke(cli.doctor, ["--all"], env=environment).stdout.split())
    assert f"CPU placement: {placed}" in output
    assert "cpus.own" in output
