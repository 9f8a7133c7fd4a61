"""The environment of child processes: one for Python programs of Showdown, one for all others. And their names.

What the user's shell happens to have set must not decide how a host measures. It may be a search path without sbin, a
proxy for HTTP, an encoding, or Python modules in the working directory.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path

SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Where Debian installs some of the programs that labs use. Not every user's PATH has them."""

PYTHON_OPTIONS = ("-P",)
"""How Python is started: without -P, ``python -m`` imports what lies in the working directory, and runs it as root."""

_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
_PROXIES = frozenset({"http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"})


def search_path(given: Mapping[str, str]) -> str:
    """PATH with the directories of sbin, behind those that it has."""
    parts = (given.get("PATH") or _DEFAULT_PATH).split(":")
    return ":".join(dict.fromkeys([*filter(None, parts), *SBIN]))


def own_environment(given: Mapping[str, str]) -> dict[str, str]:
    """For Showdown's own processes: what was given, without proxies, and with UTF-8 whatever the locale."""
    kept = {name: value for name, value in given.items() if name.lower() not in _PROXIES}
    return kept | {"PATH": search_path(given), "PYTHONSAFEPATH": "1", "PYTHONUTF8": "1"}


def program_environment(given: Mapping[str, str]) -> dict[str, str]:
    """For all other programs: only where to look for programs, and plain English in UTF-8.

    They get no token, no key and no address of a server.
    """
    return {"PATH": search_path(given), "LC_ALL": "C.UTF-8"}


def name_process(name: str) -> None:
    """Let ``ps``, ``top`` and a finding of interference call this process so, not "python"; at most 15 characters.

    See comm in proc_pid_comm(5). A process that it starts has the name of its program.
    """
    with contextlib.suppress(OSError):  # a name is worth no error
        Path("/proc/self/comm").write_text(name)
