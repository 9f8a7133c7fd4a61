"""Run the project with variants from another directory, as if their files were new in the checkout.

.venv/bin/python -m tests.more_variants DIRECTORY pytest ARGUMENTS…
.venv/bin/python -m tests.more_variants DIRECTORY docs ARGUMENTS…         docs/generate.py
.venv/bin/python -m tests.more_variants DIRECTORY showdown ARGUMENTS…     the command line

The directory has the checkout's layout: ``workers/datapaths/NAME.py``, ``bpf/datapaths/NAME.c`` and so on.
"""

import importlib
import sys
from pathlib import Path

import pytest

from bpf.loader import SOURCE_DIRS
from tests import ROOT
from workers.traffic import program

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
    if what == "pytest":
        return int(pytest.main(["-c", str(ROOT / "pyproject.toml"), *arguments]))
    if what == "docs":
        from docs import generate

        return generate.main(arguments)
    from deploy.cli.main import main as showdown

    showdown(arguments, prog_name="showdown")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
