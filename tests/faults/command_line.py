"""The command line for stacks under faults: a file says what version a part is of, and through which links it asks.

    python tests/faults/command_line.py FILE worker

Only this process changes: settings and constants that other modules import by name are replaced before they do. The
file is read at each start, so a part that is killed comes back as the version that the file then says.
"""

import json
import os
import runpy
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from domain.hosts.environment import PYTHON_OPTIONS

NEWER_FIELD = "of_a_later_version"
_URLS = {
    "coordinator": ("SHOWDOWN_COORDINATOR_URL", "http"),
    "broker": ("SHOWDOWN_BROKER_URL", "redis"),
    "influx": ("SHOWDOWN_INFLUX_URL", "http"),
}
"""By the name of a link: the setting of a worker that it replaces, and the scheme over TCP."""


@dataclass(frozen=True)
class Part:
    """What one part of the stack, ``worker`` or ``coordinator``, is. Without settings, it is the product as it is."""

    protocol: str = ""
    """The protocol that it speaks, such as 3.0."""
    newer_fields: bool = False
    """Whether what it sends has fields that the product does not know."""
    links: dict[str, int] | None = None
    """By name, the port of 127.0.0.1 at which it asks a server."""
    tolerant: bool = False
    """Whether it is a worker that measures on a noisy host (tests/e2e/tolerant.py)."""


class CommandLine:
    """The file, and the argv that reads it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._parts: dict[str, Part] = {}
        self.argv = (sys.executable, *PYTHON_OPTIONS, __file__, str(file))
        self._write()

    def set(self, name: str, part: Part) -> None:
        """From its next start on, a part is so."""
        self._parts[name] = part
        self._write()

    def part(self, name: str) -> Part:
        """What a part is at its next start."""
        return self._parts.get(name, Part())

    def _write(self) -> None:
        draft = self._file.with_suffix(".new")
        draft.write_text(json.dumps({name: asdict(part) for name, part in self._parts.items()}), encoding="utf-8")
        draft.rename(self._file)


def _ask_through(links: dict[str, int]) -> None:
    for name, port in links.items():
        setting, scheme = _URLS[name]
        if url := os.environ.get(setting):
            login, at, _ = urlsplit(url).netloc.rpartition("@")
            os.environ[setting] = f"{scheme}://{login}{at}127.0.0.1:{port}"


def _speak(protocol: str) -> None:
    from domain.hosts import protocol as versions

    versions.PROTOCOL = versions.Protocol.parse(protocol)


def _send_newer_fields() -> None:
    from pydantic import create_model

    from domain.trials import trial

    def newer(model: type) -> type:
        return create_model(model.__name__, __base__=model, **{NEWER_FIELD: (str, "unknown")})

    trial.BlockResult = newer(trial.BlockResult)  # type: ignore[misc]
    from domain.service import jobs

    for name in ("Claim", "Heartbeat", "Report", "HostCapabilities"):
        setattr(jobs, name, newer(getattr(jobs, name)))


def _tolerate() -> None:
    sys.path.append(str(Path(__file__).parents[2]))  # tests are no installed package
    from tests.e2e import tolerant

    tolerant.tolerate_noise()
    tolerant.report_often()


def _stay_so_over_exec(file: str) -> None:
    """The coordinator replaces itself by gunicorn, a Python module; that one runs as this part, too."""
    execute = os.execve

    def execve(program: str, argv: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
        module = list(argv).index("-m")
        execute(program, [*argv[:module], __file__, file, *argv[module:]], environment)

    os.execve = execve  # type: ignore[assignment]


def _become(part: Part) -> None:
    if part.links:
        _ask_through(part.links)
    if part.protocol:
        _speak(part.protocol)
    if part.newer_fields:
        _send_newer_fields()
    if part.tolerant:
        _tolerate()


def _run() -> None:
    file = sys.argv.pop(1)
    parts = json.loads(Path(file).read_text(encoding="utf-8"))
    is_module = sys.argv[1] == "-m"
    _become(Part(**parts.get("coordinator" if is_module else sys.argv[1], {})))
    if is_module:
        module = sys.argv[2]
        del sys.argv[1:3]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        return
    _stay_so_over_exec(file)
    from deploy.cli.main import main

    main(prog_name="showdown")


if __name__ == "__main__":
    _run()
