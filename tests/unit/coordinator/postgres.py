"""A private PostgreSQL on a unix socket; each test gets a new database of it."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def server() -> Iterator[Callable[[], str]]:
    """A function that makes a database and returns its URL. Root runs the server as another user, as it must be."""
    found = shutil.which("postgres")
    programs = Path(found).resolve().parent if found else Path()
    if found is None or not (programs / "initdb").exists():
        pytest.skip("needs PostgreSQL's server programs (postgres, initdb)")
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    run_as: dict[str, Any] = {"user": user.pw_uid, "group": user.pw_gid} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="showdown-pg-") as directory:
        os.chown(directory, user.pw_uid, user.pw_gid)
        data = f"{directory}/data"
        initdb = [programs / "initdb", "-D", data, "-U", "showdown", "-A", "trust", "--no-sync", "-E", "UTF8"]
        subprocess.run(initdb, capture_output=True, cwd=directory, check=True, **run_as)
        options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={directory}", "-c", "fsync=off"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen([programs / "postgres", "-D", data, *options], cwd=directory, **quiet, **run_as)
        numbers = count()

        def new_database() -> str:
            name = f"test{next(numbers)}"
            made = [programs / "createdb", "-h", directory, "-U", "showdown", name]
            subprocess.run(made, capture_output=True, check=True)
            return f"postgresql://showdown@/{name}?host={directory}"

        try:
            for _ in range(600):
                if subprocess.run([programs / "pg_isready", "-q", "-h", directory], check=False).returncode == 0:
                    break
                time.sleep(0.1)
            yield new_database
        finally:
            process.terminate()
            process.wait(60)
