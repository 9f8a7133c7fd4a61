"""Run the project with variants from another directory, as if their files were new in the checkout.

.venv/bin/python -m tests.more_variants DIRECTORY pytest ARGUMENTS…
.venv/bin/python -m tests.more_variants DIRECTORY docs ARGUMENTS…         docs/generate.py
.venv/bin/python -m tests.more_variants DIRECTORY showdown ARGUMENTS…     the command line

``then`` between arguments begins another run in the same process, because to start one takes seconds of CPU time. The
exit status is that of the last run; the lines ``exit status N`` are those of the others.

The directory has the checkout's layout: ``workers/datapaths/NAME.py``, ``bpf/datapaths/NAME.c`` and so on.
"""

import importlib
import sys
from pathlib import Path

import pytest

from bpf.loader import SOURCE_DIRS
from tests import ROOT
from workers.traffic import program

THEN = "then"
EXIT_STATUS = "exit status "
PACKAGES = (
    "workers.datapaths",
    "workers.workloads",
    "probes.catalog",
    "tests.kernel.datapaths",
    "tests.kernel.probes",
)


def add(directory: Path) -> None:
    """Let the registries find the variants below ``directory``, until this process ends."""
    for package in PACKAGES:
        importlib.import_module(package).__path__.append(str(directory / package.replace(".", "/")))
    SOURCE_DIRS.append(directory / "bpf")
    built = directory / "workers/traffic/bin" / program.NAME
    if built.exists():
        program.PATH = built


def main(directory: Path, what: str, arguments: list[str]) -> int:
    """Run a program of the checkout with the variants in ``directory``; returns its exit status."""
    add(directory)
    while THEN in arguments:
        first = arguments[: arguments.index(THEN)]
        arguments = arguments[len(first) + 1 :]
        print(f"\n{EXIT_STATUS}{_run(what, first)}")
    return _run(what, arguments)


def _run(what: str, arguments: list[str]) -> int:
    if what == "pytest":
        return int(pytest.main(["-c", str(ROOT / "pyproject.toml"), *arguments]))
    if what == "docs":
        from docs import generate

        return generate.main(arguments)
    from deploy.cli.main import main as showdown

    try:
        showdown(arguments, prog_name="showdown")
    except SystemExit as end:
        return int(end.code or 0)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
