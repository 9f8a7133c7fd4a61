"""A private PostgreSQL on a unix socket. Root runs it as another user, as it must be."""

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from tests.leftovers import OWN

READY_S = 60.0


def programs() -> Path | None:
    """The directory of PostgreSQL's server programs; ``None`` if they are not installed."""
    found = shutil.which("postgres")
    directory = Path(found).resolve().parent if found else Path()
    return directory if found and all((directory / name).exists() for name in ("initdb", "pg_ctl")) else None


class Postgresql:
    """One server with its databases; a test may stop it as a crash does, and start it again on the same data."""

    def __init__(self, programs: Path, directory: Path) -> None:
        """Make the server's files below ``directory``; it does not run yet."""
        user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        self._programs, self._directory, self._numbers = programs, directory, count()
        self._data = directory / "data"
        self._run_as: dict[str, Any] = {"user": user.pw_uid, "group": user.pw_gid} if os.geteuid() == 0 else {}
        os.chown(directory, user.pw_uid, user.pw_gid)
        self._run("initdb", "-D", str(self._data), "-U", "showdown", "-A", "trust", "--no-sync", "-E", "UTF8")

    def start(self) -> None:
        """Start it, if it does not run, and wait until it answers; after a crash it first replays its log."""
        if self._run("pg_ctl", "-D", str(self._data), "status", check=False) == 0:
            return
        options = f"-c listen_addresses= -c unix_socket_directories={self._directory} -c fsync=off"
        log = str(self._directory / "log")
        self._run("pg_ctl", "-D", str(self._data), "-l", log, "-o", options, "-w", "-t", f"{READY_S:.0f}", "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it; ``immediate`` ends all processes without a checkpoint, so transactions under way are lost."""
        self._run("pg_ctl", "-D", str(self._data), "-m", mode, "-w", "stop")

    def crash(self, down_s: float = 0.0) -> None:
        """Stop it at once, and start it again after ``down_s``."""
        self.stop("immediate")
        time.sleep(down_s)
        self.start()

    def new_database(self) -> str:
        """Make a database; returns its URL."""
        name = f"test{next(self._numbers)}"
        self._run("createdb", "-h", str(self._directory), "-U", "showdown", name)
        return f"postgresql://showdown@/{name}?host={self._directory}"

    def _run(self, program: str, *arguments: str, check: bool = True) -> int:
        argv = [str(self._programs / program), *arguments]
        # The server inherits its starter's output, so a pipe would stay open for as long as it runs.
        quiet: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        return subprocess.run(argv, cwd=self._directory, check=check, **quiet, **self._run_as).returncode


@contextmanager
def running(programs: Path) -> Iterator[Postgresql]:
    """A started server; its files are removed afterwards."""
    with OWN.directory("showdown-pg-") as directory:
        server = Postgresql(programs, directory)
        server.start()
        try:
            yield server
        finally:
            server.stop()
