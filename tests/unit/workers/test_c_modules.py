"""The modules of a C program use each other in one direction only: neither includes nor calls form a cycle."""

import re
import subprocess
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests import ROOT

WORKERS = ROOT / "workers"
PROGRAMS = {"relay": "kernel", "traffic": "conn"}  # a module that others must be seen to use
APART = {"fuzz_parser", "test_tool"}  # programs for the tests, with a main() each
EXTERNAL = ("-lssl", "-lcrypto", "-lnghttp2")
GCC = ("gcc", "-std=c11", "-D_GNU_SOURCE", "-O0")
Graph = dict[str, set[str]]


def sources(program: str, suffix: str) -> list[Path]:
    found = [*(WORKERS / program / "src").rglob(f"*{suffix}"), *(WORKERS / "csrc").glob(f"*{suffix}")]
    return sorted(path for path in found if path.stem not in APART)


def includes(files: list[Path]) -> Graph:
    """The project's headers that each header includes."""
    return {file.name: set(re.findall(r'^#include "([^"]+)"', file.read_text(), re.MULTILINE)) for file in files}


def calls(objects: list[Path]) -> Graph:
    """The modules whose functions or variables each module uses, as the linker sees them."""
    defined: dict[str, str] = {}
    undefined: Graph = {}
    for file in objects:
        symbols = subprocess.run(["nm", "-P", file], check=True, capture_output=True, text=True, timeout=10).stdout
        for name, kind, *_ in (line.split() for line in symbols.splitlines()):
            if kind == "U":
                undefined.setdefault(file.stem, set()).add(name)
            elif kind.isupper():
                defined[name] = file.stem
    return {
        module: {defined[name] for name in names if name in defined} - {module} for module, names in undefined.items()
    }


def compiled(files: list[Path], include: Path, directory: Path) -> list[Path]:
    """The object files of C files."""
    folders = [include, *(path for path in include.rglob("*") if path.is_dir())]
    gcc = [*GCC, f"-I{WORKERS / 'csrc'}", *(f"-I{path}" for path in folders), "-c", *map(str, files)]
    subprocess.run(gcc, check=True, cwd=directory, timeout=120)
    return sorted(directory.glob("*.o"))


@dataclass(frozen=True)
class Compiled:
    """A C program, compiled without optimization."""

    name: str
    objects: list[Path]
    calls: Graph


@pytest.fixture(scope="module", params=PROGRAMS)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    name = str(request.param)
    objects = compiled(sources(name, ".c"), WORKERS / name / "src", tmp_path_factory.mktemp(name))
    return Compiled(name, objects, calls(objects))


def test_includes_form_no_cycle(program: Compiled) -> None:
    headers = sources(program.name, ".h")
    assert len(tuple(TopologicalSorter(includes(headers)).static_order())) >= len(headers)


def test_calls_form_no_cycle(program: Compiled) -> None:
    """So the depth of calls does not grow with the backlog: sending frees a connection, but only the loop uses it."""
    used = set().union(*program.calls.values())
    assert PROGRAMS[program.name] in used, "no module calls another: nm was misread"
    tuple(TopologicalSorter(program.calls).static_order())


def test_a_cycle_is_found(tmp_path: Path) -> None:
    for one, other in (("a", "b"), ("b", "a")):
        (tmp_path / f"{one}.c").write_text(f"void {other}(void);\nvoid {one}(void) {{ {other}(); }}\n")
        (tmp_path / f"{one}.h").write_text(f'#include "{other}.h"\n')
    objects = compiled(sorted(tmp_path.glob("*.c")), tmp_path, tmp_path)
    for graph in (includes(sorted(tmp_path.glob("*.h"))), calls(objects)):
        with pytest.raises(CycleError):
            tuple(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("program", ["traffic"], indirect=True)
def test_no_module_knows_a_workload_or_a_service(program: Compiled) -> None:
    """Each workload or service is one file, and no other file names it."""
    rows = {path.stem for path in program.objects if path.stem.startswith(("protocol_", "service_"))}
    assert len(rows) >= 10
    assert {user: used & rows for user, used in program.calls.items() if used & rows} == {}


SAMPLE = """
#include "conn.h"
#include "http.h"
#include "tcp.h"

static const struct protocol sample = {
	.name = "sample",
	.body_bytes = 32,
	.socket_type = SOCK_STREAM,
	.events = TCP_EVENTS,
	.prepare = http_prepare_download,
	.compose = http_compose_get,
	.request = http_request,
	.event = tcp_event,
	.received = http_received,
	.answered = conn_reuse,
	.timeout = conn_timeout,
};
PROTOCOL(sample);
"""


@pytest.mark.parametrize("program", ["traffic"], indirect=True)
def test_a_new_workload_is_one_file(program: Compiled, tmp_path: Path) -> None:
    (tmp_path / "protocol_sample.c").write_text(SAMPLE)
    added = compiled([tmp_path / "protocol_sample.c"], WORKERS / "traffic/src", tmp_path)
    built = tmp_path / "showdown-traffic"
    gcc = ["gcc", *program.objects, *added, "-o", built, "-lpthread", "-lm", *EXTERNAL]
    subprocess.run(gcc, check=True, timeout=120)
    done = subprocess.run([built, "load", "--help"], capture_output=True, text=True, check=True)
    assert "sample" in done.stdout.splitlines()[-1].split()
