"""Showdown's processes speak over a channel of their own, whatever a library writes to standard output."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from domain.service.jobs import Feature, HostCapabilities
from workers.agent.app import probe_capabilities
from workers.agent.own_stdout import libraries_to_stderr

HOST = HostCapabilities(host="h", features=(Feature(name="bcc", present=False, reason="1 µs – too late."),))


def test_a_library_that_writes_to_stdout_does_not_spoil_the_answer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answer, python = tmp_path / "answer", tmp_path / "python"
    answer.write_text(HOST.model_dump_json(), encoding="utf-8")
    # python -P -m MODULE HOST FD
    python.write_text(f'#!/bin/sh\necho "Unable to find kernel headers."\ncat {answer} > /proc/self/fd/$5\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    assert probe_capabilities("h") == HOST


def test_the_probe_runs_with_no_proxy_and_not_in_the_users_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    python, seen = tmp_path / "python", tmp_path / "seen"
    python.write_text(f'#!/bin/sh\necho "$1" >{seen}\nenv >>{seen}\nexit 1\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    with pytest.raises(RuntimeError, match="status 1"):
        probe_capabilities("h")
    assert seen.read_text().splitlines()[0] == "-P"
    assert "http_proxy" not in {line.partition("=")[0].lower() for line in seen.read_text().splitlines()}


def test_what_c_writes_meanwhile_goes_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    libc = ctypes.CDLL(None)
    with libraries_to_stderr():
        libc.puts(b"from C, kept in its buffer")
        os.write(1, b"from a system call\n")
        print("from Python", file=sys.__stdout__)
    libc.fflush(None)
    print("the answer")
    found = capfd.readouterr()
    assert found.out == "the answer\n"
    assert "from C" in found.err
    assert "from a system call" in found.err


def test_celery_imports_nothing_from_the_users_directory(tmp_path: Path) -> None:
    """The worker imports its tasks as Celery does, and nothing of what lies where it was started."""
    (tmp_path / "workers").mkdir()
    for file in ("workers/__init__.py", "probes.py", "influxdb_client.py", "hdrh.py"):
        (tmp_path / file).write_text("raise SystemExit('imported')\n")
    code = (
        "from celery import Celery\n"
        "from workers.agent import cli, enrolment\n"
        "enrolment.await_acceptance = lambda settings: None\n"
        "Celery.worker_main = lambda app, argv: app.loader.import_default_modules()\n"
        "cli.worker.main([])\n"
    )
    settings = {"SHOWDOWN_WORKER_TOKEN": "t" * 20, "SHOWDOWN_STATE_DIR": "relative", "SHOWDOWN_HOST": "h"}
    argv = [sys.executable, "-P", "-W", "ignore", "-c", code]
    done = subprocess.run(argv, cwd=tmp_path, env={**os.environ, **settings}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
