"""Systemd units, compose file, Makefile and lock: these tests check their text, because they cannot run them."""

import configparser
import os
import subprocess
import tomllib
from importlib.metadata import distribution, entry_points

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests import ROOT

UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
# Each of these gives a unit a separate mount namespace, in which the host sees no network namespaces.
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


def test_each_secret_of_the_compose_file_has_one_purpose():
    services = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
    secrets = [
        value.removeprefix("${").split(":")[0]
        for service in services.values()
        for variable, value in service.get("environment", {}).items()
        if any(word in variable for word in ("PASSWORD", "TOKEN"))
    ]
    assert len(secrets) == len(set(secrets)) == 5
    assert services["grafana"]["environment"]["SHOWDOWN_INFLUX_TOKEN"] == "${INFLUX_READ_TOKEN:-}"
    environments = [(ROOT / f"deploy/systemd/showdown-{name}.service").read_text() for name in ("worker", "ticker")]
    assert ["/etc/showdown/showdown.env" in text for text in environments] == [False, True]


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


def pinned():
    """Name → version of everything in the lock."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    found = [line.removesuffix("\\").strip().split("==") for line in lines if line and line[0] not in " #"]
    return {canonicalize_name(name): version for name, version in found}


def unmet(name, extras, pins, seen):
    """Requirements of the installed distribution ``name`` with ``extras`` that the pins do not satisfy."""
    if (name, extras) in seen:
        return
    seen.add((name, extras))
    metadata = distribution(name).metadata
    for unknown in extras - {canonicalize_name(extra) for extra in metadata.get_all("Provides-Extra") or ()}:
        yield f"{name} has no extra {unknown}"
    for requirement in map(Requirement, metadata.get_all("Requires-Dist") or ()):
        if requirement.marker and not any(requirement.marker.evaluate({"extra": extra}) for extra in {"", *extras}):
            continue
        wanted, version = canonicalize_name(requirement.name), pins.get(canonicalize_name(requirement.name))
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            yield f"{name} {sorted(extras)} asks for {requirement}; the lock has {version}"
        else:
            yield from unmet(wanted, frozenset(canonicalize_name(extra) for extra in requirement.extras), pins, seen)


def test_the_lock_is_complete_with_what_is_asked_for_as_an_extra():
    """The bootstrap installs without resolving, and ``pip check`` ignores extras (pydantic[email])."""
    pins, seen = pinned(), set()
    assert list(unmet("showdown", frozenset({"dev"}), pins, seen)) == []
    assert {name for name, _ in seen} - {"showdown"} <= set(pins)
    assert any(extras for name, extras in seen if name != "showdown"), "no extra was followed"
    assert {name: distribution(name).version for name in pins} == pins


def test_the_check_of_the_lock_sees_what_is_missing_or_too_old():
    pins = pinned()
    without = {name: version for name, version in pins.items() if name != "kombu"}
    assert any("kombu" in one and "the lock has None" in one for one in unmet("celery", frozenset(), without, set()))
    assert any("the lock has 0.1" in one for one in unmet("celery", frozenset(), pins | {"kombu": "0.1"}, set()))
    assert any("the lock has None" in one for one in unmet("celery", frozenset({"redis"}), without, set()))
    assert list(unmet("celery", frozenset({"nosuch"}), pins, set())) == ["celery has no extra nosuch"]


def test_the_bootstrap_asks_the_registry_for_nothing_that_is_not_locked():
    """pip must not resolve (it would consider newer releases), and the project is built with the lock's tools."""
    script = (ROOT / "deploy" / "bootstrap.sh").read_text()
    installs = [line.split("pip install", 1)[1].split() for line in script.splitlines() if "-m pip install" in line]
    assert len(installs) == script.count("pip install") == 2
    assert all("--no-deps" in options for options in installs)
    locked, ours = installs
    assert {"--require-hashes", "requirements.lock"} <= set(locked)
    assert {"--no-build-isolation", "-e", "."} <= set(ours)
    backend = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert all(Requirement(one).specifier.contains(pinned()[Requirement(one).name]) for one in backend)
