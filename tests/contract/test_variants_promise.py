"""Datapaths, probes and workloads are new files and nothing else: every surface finds copies of some.

There is a copy of one datapath of each function.

What needs the kernel is in tests/kernel/test_variants_promise.py.
"""

import json
import re
import shutil
from pathlib import Path

import pytest

from docs import generate
from domain.campaigns.campaign import read_campaign_toml
from domain.service.jobs import HostCapabilities
from domain.values.names import FUNCTIONS
from tests import ROOT
from tests.copied import COPIES, DATAPATH, DATAPATHS, PROBE, WORKLOAD, Copy, run, write_copies
from tests.more_variants import EXIT_STATUS, THEN
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import signed_in
from tests.variants import DATAPATHS as DISCOVERED

CONTRACT = ("tests/contract", "-m", "not kernel", "--ignore=tests/contract/test_variants_promise.py")
QUIET = ("-p", "no:cacheprovider", "-v")
SAMPLED = "test_probes_on_traffic.py::test_stages_count_each_request_once_and_match"
"""Some datapaths, to load the probes in different ways: a sample of the probes' traffic, not a table of datapaths."""


@pytest.fixture(scope="module")
def more(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with the copies."""
    directory = tmp_path_factory.mktemp("more")
    write_copies(directory)
    return directory


@pytest.fixture(scope="module")
def printed(more: Path) -> list[str]:
    """What ``doctor`` and ``workloads`` print with the copies, as JSON."""
    found = run(more, "showdown", "doctor", "--json", THEN, "workloads", "--json")
    doctor, status, workloads = re.split(rf"^{EXIT_STATUS}(\d+)$", found.stdout, flags=re.MULTILINE)
    assert status in ("0", "1"), found.stderr  # 1: this host runs no datapath, for want of root
    assert found.returncode == 0, found.stderr
    return [doctor, workloads]


@pytest.fixture(scope="module")
def reported(printed: list[str]) -> HostCapabilities:
    """What a worker with the copies reports of its host."""
    capabilities = json.loads(printed[0])
    del capabilities["pipeline"], capabilities["outbox"]
    return HostCapabilities.model_validate(capabilities)


def test_the_contract_tests_cover_them(more: Path) -> None:
    ran = run(more, "pytest", *CONTRACT, *QUIET)
    assert ran.returncode == 0, ran.stdout[-3000:]
    for copy in COPIES:
        passed = re.findall(rf"::test_\w+\[.*\b{copy.name}\b.*\] PASSED", ran.stdout)
        as_many = re.findall(rf"::test_\w+\[.*\b{copy.original}\b.*\] PASSED", ran.stdout)
        assert len(passed) == len(as_many) >= 4, copy


def test_a_copy_that_breaks_the_contract_fails_there(more: Path, tmp_path: Path) -> None:
    shutil.copytree(more, tmp_path / "broken")
    (tmp_path / f"broken/bpf/probes/{PROBE.name}.c").unlink()
    ran = run(tmp_path / "broken", "pytest", "tests/contract/test_probes.py", "-m", "not kernel", *QUIET)
    assert f"test_one_name_everywhere[{PROBE.name}] FAILED" in ran.stdout


def test_a_datapath_of_every_function_is_copied() -> None:
    assert {function: DISCOVERED[copy.original].function for function, copy in DATAPATHS.items()} == {
        function: function for function in FUNCTIONS
    }


@pytest.fixture(scope="module")
def listed(more: Path) -> list[str]:
    """Every test that needs the kernel, also those of the copies: by file, function and parameters."""
    found = run(more, "pytest", "tests/kernel", "--collect-only", "-q", "-p", "no:cacheprovider")
    assert found.returncode == 0, found.stdout[-3000:]
    return [line for line in found.stdout.splitlines() if "::" in line and SAMPLED not in line]


@pytest.mark.parametrize("copy", DATAPATHS.values(), ids=DATAPATHS)
def test_every_test_on_the_kernel_that_takes_the_original_takes_the_copy(listed: list[str], copy: Copy) -> None:
    """No test has a list of datapaths. Those that break them find the faults in the test file of each."""
    of_copy = _taking(copy.name, listed)
    assert of_copy == _taking(copy.original, listed)
    assert sum("test_block_broken.py" in one for one in of_copy) >= 3


def _taking(name: str, tests: list[str]) -> list[str]:
    """The tests with the datapath among their parameters, without its name; sorted."""
    word = re.compile(rf"\b{name}\b")
    return sorted(word.sub("", one) for one in tests if word.search(one.partition("[")[2]))


def test_a_datapath_without_declared_faults_fails(more: Path, tmp_path: Path) -> None:
    shutil.copytree(more, tmp_path / "silent")
    own_tests = tmp_path / "silent" / DATAPATH.files[2].format(DATAPATH.name)
    own_tests.write_text(own_tests.read_text().replace("FAULTS", "OTHER"))
    ran = run(tmp_path / "silent", "pytest", "tests/contract/test_datapath_faults.py", *QUIET)
    assert f"test_it_declares_faults_each_with_a_reason[{DATAPATH.name}] FAILED" in ran.stdout


def test_the_command_line_lists_them(printed: list[str], reported: HostCapabilities) -> None:
    for copy in COPIES:
        assert reported.variant(copy.family, copy.name), copy
    listed = json.loads(printed[1])["workloads"]
    assert WORKLOAD.name in {one["name"] for one in listed}


def test_the_coordinator_learns_of_them_from_a_host_alone(reported: HostCapabilities, tmp_path: Path) -> None:
    """It runs in this process, which does not have the files."""
    app = CoordinatorApp(tmp_path)
    runs_all = {
        family: tuple(one.model_copy(update={"missing": ()}) for one in getattr(reported, family))
        for family in ("datapaths", "workloads", "probes")
    }
    host = reported.model_copy(update={"host": "h1", **runs_all})
    answer = app.client.put("/api/v1/worker/hosts/h1", data=host.model_dump_json(), headers=app.worker,
                            content_type="application/json")  # fmt: skip
    assert answer.status_code == 204, answer.text
    for copy in COPIES:
        listed = {one["name"]: one for one in app.get(copy.family).json[copy.family]}
        assert listed[copy.name]["available"]
        assert listed[copy.name]["summary"]
    page = signed_in(app).get("/campaigns/new").text
    for copy in COPIES:
        assert f'name="{copy.family}" value="{copy.name}"' in page, copy
    campaign_id = app.submit(
        datapaths=[DATAPATH.original, DATAPATH.name], workloads=[WORKLOAD.name], probes=[PROBE.original, PROBE.name]
    )
    assert app.view(campaign_id)["campaign"]["datapaths"] == [DATAPATH.original, DATAPATH.name]
    of_every_function = [name for copy in DATAPATHS.values() for name in (copy.original, copy.name)]
    campaign_id = app.submit(name="every", datapaths=of_every_function, workloads=["http_keepalive"])
    assert app.view(campaign_id)["campaign"]["datapaths"] == of_every_function
    app.close()


def test_the_documents_are_stale_until_they_are_generated(more: Path, tmp_path: Path) -> None:
    documents = tmp_path / "documents"
    for place in ("docs", "deploy/campaigns"):
        shutil.copytree(ROOT / place, documents / place)
    shutil.copy(ROOT / "README.md", documents)
    (documents / "coordinator/web").mkdir(parents=True)
    shutil.copy(ROOT / "coordinator/web/glossary.toml", documents / "coordinator/web")
    assert generate.main(["--check", "--root", str(documents)]) == 0, "this process does not have the copies"
    check, write = ("--check", "--root", documents), ("--root", documents)
    ran = run(more, "docs", *check, THEN, *write, THEN, *check)
    stale, first, rewritten, second, again = re.split(rf"^{EXIT_STATUS}(\d+)$", ran.stdout, flags=re.MULTILINE)
    assert (first, second, ran.returncode) == ("1", "0", 0), ran.stderr
    assert again.strip() == ""
    assert rewritten.count(" was rewritten\n") == stale.count(" is stale; ")
    for name in ("README.md", "deploy/campaigns/catalogue.toml", "docs/campaigns.md", "docs/datapaths/index.md",
                 "docs/probes/index.md", f"docs/probes/{PROBE.name}.md",
                 *(f"docs/datapaths/{copy.name}.md" for copy in DATAPATHS.values())):  # fmt: skip
        assert f"{name}: " in stale, stale
    for name, row in {
        "docs/probes/index.md": f"| [`{PROBE.name}`]({PROBE.name}.md) |",
        "docs/campaigns.md": f"| `{WORKLOAD.name}` |",
    }.items():
        assert row in (documents / name).read_text(), name
    for function, copy in DATAPATHS.items():
        link = f"[`{copy.name}`](docs/datapaths/{copy.name}.md)"
        (of_function,) = (row for row in (documents / "README.md").read_text().splitlines() if link in row)
        assert of_function.startswith(f"| {FUNCTIONS[function]} |")
        row = f"| [`{copy.name}`]({copy.name}.md) | {function} |"
        assert row in (documents / "docs/datapaths/index.md").read_text()
    catalogue = read_campaign_toml((documents / "deploy/campaigns/catalogue.toml").read_text())
    assert set(catalogue.datapaths) == DISCOVERED.keys() | {copy.name for copy in DATAPATHS.values()}
