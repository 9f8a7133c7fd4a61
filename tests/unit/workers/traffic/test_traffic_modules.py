"""The C modules of the generator and its origin have no dependency cycle."""

import re
import subprocess
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.unit.workers.traffic.traffic_rig import TRAFFIC

SOURCES = TRAFFIC / "src"
SHARED = TRAFFIC.parent / "csrc"
APART = {"fuzz_parser", "test_tool"}  # programs for the tests, with a main() each
GCC = ["gcc", "-std=c11", "-D_GNU_SOURCE", "-O0", f"-I{SHARED}", f"-I{SOURCES}"]
FILES = [path for path in [*SOURCES.glob("*.c"), *SHARED.glob("*.c")] if path.stem not in APART]


def symbols(path: Path) -> tuple[set[str], set[str]]:
    """(defined, needed) global symbols of an object file."""
    defined, needed = set(), set()
    for line in subprocess.run(["nm", "-g", path], capture_output=True, text=True, check=True).stdout.splitlines():
        *_, kind, name = line.split()
        (needed if kind == "U" else defined).add(name)
    return defined, needed


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """For each module, the other modules whose functions or data it uses."""
    folder = tmp_path_factory.mktemp("objects")
    subprocess.run([*GCC, "-c", *map(str, FILES)], check=True, cwd=folder, timeout=120)
    tables = {path.stem: symbols(path) for path in folder.glob("*.o")}
    owners = {name: module for module, (defined, _) in tables.items() for name in defined}
    return {
        module: {owners[name] for name in needed if name in owners} - {module} for module, (_, needed) in tables.items()
    }


def includes() -> dict[str, set[str]]:
    """For each header, the headers that it includes."""
    headers = [*SOURCES.glob("*.h"), *SHARED.glob("*.h")]
    return {path.name: set(re.findall(r'^#include "(.+)"', path.read_text(), re.M)) for path in headers}


def cycle(graph: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_the_modules_have_no_cycle_of_calls(calls: dict[str, set[str]]) -> None:
    """So the depth of calls does not grow with the backlog: sending frees a connection, but only the loop uses it."""
    assert "conn" in calls["loop"], "the graph of calls must not be empty"
    assert cycle(calls) == []


def test_the_headers_have_no_cycle_of_includes() -> None:
    assert cycle(includes()) == []


def test_no_module_knows_a_workload_or_a_service(calls: dict[str, set[str]]) -> None:
    """Each workload or service is one file, and no other file names it."""
    rows = {module for module in calls if module.startswith(("protocol_", "service_"))}
    assert len(rows) >= 10
    assert {user: used & rows for user, used in calls.items() if used & rows} == {}


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


def test_a_new_workload_is_one_file(tmp_path: Path) -> None:
    added = tmp_path / "protocol_sample.c"
    added.write_text(SAMPLE)
    built = tmp_path / "showdown-traffic"
    subprocess.run([*GCC, *map(str, FILES), str(added), "-o", str(built), "-lpthread", "-lm"], check=True, timeout=120)
    done = subprocess.run([str(built), "load", "--help"], capture_output=True, text=True, check=True)
    assert "sample" in done.stdout.splitlines()[-1].split()
