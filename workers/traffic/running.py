"""Run showdown-traffic once per client, at the same time: pass on its lines, and return the last line of each.

No process is left behind: each dies with the thread that called, and those that still run at the end are killed.
"""

import json
import os
import selectors
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from domain.hosts.environment import program_environment
from domain.values.texts import error_text
from workers.traffic import program

_POLL_S = 0.05
_STATUS_S = 1.0  # for a process to exit after its last line
_FOLLOW_S = 5.0  # for the other clients to end after one has succeeded, as all end in step
_FOLLOW_FAILED_S = 1.0  # for the other clients to end after one has failed; they may report the reason

Line = dict[str, Any]


def client_names(count: int) -> list[str]:
    """The clients' names in failures, here and in the generator."""
    return [f"client {number} of {count}" for number in range(1, count + 1)] if count > 1 else [program.NAME]


@dataclass
class Running:
    """Generators from their start to their last lines. ``take(client, line)`` gets every line except the last."""

    argvs: Sequence[Sequence[str]]
    within_s: float
    stop: Callable[[], bool]
    take: Callable[[int, Line], None]
    pass_fds: tuple[int, ...] = ()
    _processes: "list[subprocess.Popen[bytes]]" = field(default_factory=list)
    _finals: dict[int, Line] = field(default_factory=dict)

    def finals(self) -> tuple[str, list[Line]]:
        """(failure, the last line of each client); one of the two is empty."""
        try:
            for argv in self.argvs:
                # setpriv replaces itself by the generator, which then dies with this thread.
                entry = ["setpriv", "--pdeathsig", "KILL", *argv]
                process = subprocess.Popen(entry, env=program_environment(os.environ), stdin=subprocess.DEVNULL,
                                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                           pass_fds=self.pass_fds)  # fmt: skip
                self._processes.append(process)
            failure = self._listen()
        except OSError as error:
            failure = f"{program.NAME} did not start: {error_text(error)}"
        except (ValueError, KeyError, TypeError) as error:
            failure = f"{program.NAME} printed garbage ({error})"
        finally:
            self._end()
        return failure, [] if failure else [self._finals[index] for index in range(len(self.argvs))]

    def _listen(self) -> str:
        """Read lines until all clients have ended; returns the failure, if any."""
        names, deadline = client_names(len(self.argvs)), time.monotonic() + self.within_s
        for index, text in self._lines():
            if self.stop():
                return "stopped"
            if time.monotonic() > deadline:
                return self._missing(names)
            if text is None and index not in self._finals:
                return f"{names[index]} ended with status {self._status(index)} and no result"
            if text:
                line = json.loads(text)
                if line["type"] == "final":
                    self._finals[index] = line
                    deadline = min(deadline, time.monotonic() + (_FOLLOW_FAILED_S if line["failure"] else _FOLLOW_S))
                else:
                    self.take(index, line)
        return ""

    def _missing(self, names: Sequence[str]) -> str:
        """Why not all clients have ended: as another client reports it, if one does."""
        reported = [line["failure"] for line in self._finals.values() if line["failure"]]
        absent = [name for index, name in enumerate(names) if index not in self._finals]
        return reported[0] if reported else f"{', '.join(absent)} did not end in time"

    def _lines(self) -> Iterator[tuple[int, bytes | None]]:
        """(client, line) as they arrive; ``None`` at a client's end, and an empty line if none arrived for a while."""
        held = dict.fromkeys(range(len(self._processes)), b"")
        with selectors.DefaultSelector() as selector:
            for index, process in enumerate(self._processes):
                if process.stdout is None:
                    raise ValueError("no pipe")
                selector.register(process.stdout, selectors.EVENT_READ, index)
            while selector.get_map():
                ready = selector.select(_POLL_S)
                if not ready:
                    yield 0, b""
                for key, _ in ready:
                    if chunk := os.read(key.fd, 1 << 20):
                        *whole, held[key.data] = (held[key.data] + chunk).split(b"\n")
                        yield from ((key.data, text) for text in whole)
                    else:
                        selector.unregister(key.fileobj)
                        yield key.data, None

    def _status(self, index: int) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self._processes[index].wait(_STATUS_S)
        return self._processes[index].returncode

    def _end(self) -> None:
        for index, process in enumerate(self._processes):
            if process.poll() is None and index not in self._finals:
                process.kill()
        for index, process in enumerate(self._processes):
            if index in self._finals and self._status(index) is None:
                process.kill()  # it printed its last line, but does not exit
            process.communicate()
