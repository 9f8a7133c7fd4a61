"""The modules of a C program use each other in one direction only: neither includes nor calls form a cycle."""

import re
import subprocess
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests import ROOT

WORKERS = ROOT / "workers"
PROGRAMS = ["relay"]
Graph = dict[str, set[str]]


def sources(program: str, suffix: str) -> list[Path]:
    return sorted([*(WORKERS / program / "src").glob(f"*{suffix}"), *(WORKERS / "csrc").glob(f"*{suffix}")])


def includes(files: list[Path]) -> Graph:
    """The project's headers that each header includes."""
    return {file.name: set(re.findall(r'^#include "([^"]+)"', file.read_text(), re.MULTILINE)) for file in files}


def calls(files: list[Path], include: Path, directory: Path) -> Graph:
    """The modules whose functions or variables each module uses, as the linker sees them."""
    defined: dict[str, str] = {}
    undefined: Graph = {}
    for file in files:
        objects = directory / f"{file.stem}.o"
        gcc = ["gcc", "-std=c11", "-D_GNU_SOURCE", f"-I{WORKERS / 'csrc'}", f"-I{include}", "-c", file, "-o", objects]
        subprocess.run(gcc, check=True, timeout=60)
        symbols = subprocess.run(["nm", "-P", objects], check=True, capture_output=True, text=True, timeout=10).stdout
        for name, kind, *_ in (line.split() for line in symbols.splitlines()):
            if kind == "U":
                undefined.setdefault(file.stem, set()).add(name)
            elif kind.isupper():
                defined[name] = file.stem
    return {module: {defined[name] for name in names if name in defined} for module, names in undefined.items()}


@pytest.mark.parametrize("program", PROGRAMS)
def test_includes_form_no_cycle(program: str) -> None:
    order = tuple(TopologicalSorter(includes(sources(program, ".h"))).static_order())
    assert len(order) >= len(sources(program, ".h"))


@pytest.mark.parametrize("program", PROGRAMS)
def test_calls_form_no_cycle(program: str, tmp_path: Path) -> None:
    graph = calls(sources(program, ".c"), WORKERS / program / "src", tmp_path)
    assert any(graph.values()), "no module calls another: nm was misread"
    tuple(TopologicalSorter(graph).static_order())


def test_a_cycle_is_found(tmp_path: Path) -> None:
    for one, other in (("a", "b"), ("b", "a")):
        (tmp_path / f"{one}.c").write_text(f"void {other}(void);\nvoid {one}(void) {{ {other}(); }}\n")
        (tmp_path / f"{one}.h").write_text(f'#include "{other}.h"\n')
    headers, modules = sorted(tmp_path.glob("*.h")), sorted(tmp_path.glob("*.c"))
    for graph in (includes(headers), calls(modules, tmp_path, tmp_path)):
        with pytest.raises(CycleError):
            tuple(TopologicalSorter(graph).static_order())
