"""Systemd units and compose file cannot be run here; at least they say what they must. So do Makefile and lock."""

import configparser
import os
import subprocess
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
# Each of these gives a unit a mount namespace of its own, in which the host sees no network namespaces.
BREAKS_LABS = {"privatetmp", "protectsystem", "privatemounts", "protecthome", "privatedevices", "dynamicuser",
               "readonlypaths", "inaccessiblepaths", "bindpaths", "rootdirectory"}  # fmt: skip


def unit(name):
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read(ROOT / "deploy" / "systemd" / f"showdown-{name}.service")
    return parser


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_starts_a_command_that_exists(path):
    service = unit(path.stem.removeprefix("showdown-"))["Service"]
    program, command, *_ = service["ExecStart"].split()
    assert program == "/opt/showdown/.venv/bin/showdown"
    assert command in entry_points(group="showdown.commands").names
    assert service["Restart"] == "always"


def test_the_units_are_coordinator_ticker_and_worker():
    assert [path.stem for path in UNITS] == ["showdown-coordinator", "showdown-ticker", "showdown-worker"]


def test_the_worker_shares_the_hosts_mounts():
    service = unit("worker")["Service"]
    assert BREAKS_LABS.isdisjoint(service)
    assert service["User"] == "root"
    assert service["KillSignal"] == "SIGQUIT"


def test_the_coordinator_is_not_root_and_faces_loopback():
    assert unit("coordinator")["Service"]["User"] == unit("ticker")["Service"]["User"] == "showdown"
    assert "--bind 127.0.0.1:" in unit("coordinator")["Service"]["ExecStart"]
    assert unit("worker")["Service"]["StateDirectory"] != unit("coordinator")["Service"]["StateDirectory"]


def test_the_compose_file_has_the_four_servers_on_loopback_and_no_password():
    text = (ROOT / "deploy" / "compose.yaml").read_text()
    compose = yaml.safe_load(text)
    assert set(compose["services"]) == {"redis", "postgres", "influxdb", "grafana"}
    volumes = {
        volume.partition(":")[0] for service in compose["services"].values() for volume in service.get("volumes", ())
    }
    assert {name for name in volumes if "/" not in name} == set(compose["volumes"])
    for name, service in compose["services"].items():
        assert ":latest" not in service["image"], f"{name} is pinned"
        assert ":" in service["image"], f"{name} is pinned"
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name
        for variable, value in service.get("environment", {}).items():
            assert not any(word in variable for word in ("PASSWORD", "TOKEN")) or value.startswith("${"), variable
    for path in (name for name in volumes if name.startswith("..")):
        assert (ROOT / "deploy" / path).resolve().is_relative_to(ROOT / "dashboards")


def test_every_make_target_has_its_line_of_help():
    text = (ROOT / "Makefile").read_text()
    phony = next(line for line in text.splitlines() if line.startswith(".PHONY")).split()[1:]
    helped = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [line.split()[1] for line in helped.splitlines()] == phony


def test_the_lock_has_hashes_and_no_addresses():
    text = (ROOT / "requirements.lock").read_text()
    assert "--hash=sha256:" in text
    assert "://" not in text
    assert "--index-url" not in text
    assert "--find-links" not in text


@pytest.mark.parametrize("script", ["deploy/bootstrap.sh", ".ci/run"])
def test_scripts_are_executable_and_strict(script):
    assert os.access(ROOT / script, os.X_OK)
    subprocess.run(["bash", "-n", script], cwd=ROOT, check=True)
    assert "set -euo pipefail" in (ROOT / script).read_text()
