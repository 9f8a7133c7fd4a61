"""Shared by the tests of the traffic generator: the built programs, an origin, a run of the generator."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests import ROOT

TRAFFIC = ROOT / "workers" / "traffic"
PLAIN, SANITIZED = "showdown-traffic", "showdown-traffic-sanitized"


chosen = PLAIN
"""The build that is used if a test names none; tests that run with several builds set it."""


def program(name: str = "") -> str:
    """The path of a program of workers/traffic, built if its sources are newer."""
    return _built(name or chosen)


@cache
def _built(name: str) -> str:
    subprocess.run(
        ["flock", str(TRAFFIC), "make", "-s", "-C", str(TRAFFIC), f"bin/{name}"],
        check=True,
        capture_output=True,
        timeout=240,
    )
    return str(TRAFFIC / "bin" / name)


@dataclass
class Origin:
    """A running origin; ``final`` is its last line once it has ended."""

    process: subprocess.Popen[str]
    ports: dict[str, int]
    final: dict[str, Any]
    idle_fds: int = 0

    def await_connections(self, count: int) -> None:
        """Wait until it has accepted so many. Then the generator has started up, and begins its slices."""
        deadline = time.monotonic() + 20
        while self.fds() - self.idle_fds < count:
            assert time.monotonic() < deadline, f"{self.fds() - self.idle_fds} connections"
            time.sleep(0.005)

    def fds(self) -> int:
        """How many files and sockets it has open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


@contextmanager
def origin(*options: str, name: str = "", addresses: tuple[str, ...] = ("127.0.0.1",)) -> Iterator[Origin]:
    """An origin of all services on free ports."""
    argv = [program(name), "origin", "--http", "0", "--tcp", "0", "--udp", "0", *options]
    for address in addresses:
        argv += ["--address", address]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    running = Origin(process, json.loads(process.stdout.readline()), {})
    running.idle_fds = running.fds()
    try:
        yield running
    finally:
        process.terminate()
        out, err = process.communicate(timeout=60)
        running.final = json.loads(out.splitlines()[-1])
        assert process.returncode == 0, err
        assert err == ""


@dataclass(frozen=True)
class Run:
    """The exit status and the output of a run of the generator."""

    code: int
    lines: list[dict[str, Any]]
    err: str

    @property
    def final(self) -> dict[str, Any]:
        """The last line; every run has one."""
        assert self.lines[-1]["type"] == "final"
        return self.lines[-1]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The lines of one type."""
        return [line for line in self.lines if line["type"] == kind]

    @property
    def one(self) -> dict[str, Any]:
        """The only target's result."""
        (result,) = self.final["targets"].values()
        return dict(result)


def target(port: int, label: str = "only", address: str = "127.0.0.1", **more: str) -> str:
    """The value of ``--target``."""
    return ",".join([f"label={label}", f"address={address}", f"port={port}", *(f"{k}={v}" for k, v in more.items())])


def load(*options: str, name: str = "", prefix: tuple[str, ...] = ()) -> Run:
    """Run the generator to its end."""
    argv = [*prefix, program(name), "load", *options]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    return Run(done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr)


def good(*options: str, name: str = "") -> Run:
    """A run that must succeed, with nothing on stderr."""
    run = load(*options, name=name)
    assert (run.code, run.err, run.final["failure"]) == (0, "", "")
    return run
