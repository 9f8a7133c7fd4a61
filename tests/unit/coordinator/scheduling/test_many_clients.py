"""A campaign of several clients: validated, planned, refused, and shown in form, report and REST."""

import re
from pathlib import Path
from typing import Any

import pytest

from coordinator.scheduling.admission import KnownHost, admit
from coordinator.scheduling.planner import plan
from coordinator.web.form import Submitted, blank, mapping_of, of_campaign
from domain.campaigns.campaign import Campaign, read_campaign, read_campaign_toml
from domain.loads.load import ClosedLoad
from domain.service.jobs import HostCapabilities, Variant
from domain.values.problems import InvalidInput
from tests.unit.coordinator.coordinator_app import campaign
from workers.lab.cpus import Placement
from workers.traffic import program
from workers.traffic.base import GeneratorPlan, Schedule, Target
from workers.traffic.showdown_traffic import ShowdownTraffic, cpus_of


def read(**changes: Any) -> Campaign:
    return read_campaign(campaign(**changes))


def test_one_client_unless_more_are_asked_for() -> None:
    assert read().clients == 1
    assert read(clients=8, levels={"low": "closed(8)"}).clients == 8
    text = 'name = "c"\ndatapaths = ["direct"]\nclients = 2\n[levels]\nlow = "closed(8)"\n'
    assert read_campaign_toml(text).clients == 2


@pytest.mark.parametrize("clients", [0, 9, -1, 1.5, "2", True, None])
def test_what_is_no_number_of_clients_is_refused(clients: object) -> None:
    with pytest.raises(InvalidInput, match="clients: "):
        read(clients=clients)


@pytest.mark.parametrize(
    ("load", "fits"),
    [("closed(3)", False), ("closed(4)", True), ("open(3)", False), ("open(4)", True), ("open(1%)", True),
     ("capacity(p99<=5ms)", True)],
)  # fmt: skip
def test_every_client_must_have_something_to_do(load: str, fits: bool) -> None:
    if fits:
        read(clients=4, levels={"low": load})
        return
    with pytest.raises(InvalidInput, match=re.escape(f"levels.low: {load} gives 4 clients less than one each")):
        read(clients=4, levels={"low": load})


def test_every_block_carries_them_calibration_and_search_too() -> None:
    levels = {"share": "open(25%)", "low": "closed(8)", "slo": "capacity(p99<=5ms)"}
    blocks = plan(read(clients=3, levels=levels), ("h1",), 7)
    assert {block.clients for block in blocks} == {3}
    assert any(block.calibration for block in blocks)
    assert {block.clients for block in plan(read(), ("h1",), 7)} == {1}


def known(why_workload: str = "", why_datapath: str = "") -> list[KnownHost]:
    capabilities = HostCapabilities(
        host="h1",
        datapaths=(Variant(name="direct"), Variant(name="tproxy", one_client=why_datapath)),
        workloads=(Variant(name="http_keepalive", level_kinds=("closed",), one_client=why_workload),),
    )
    return [KnownHost(capabilities, online=True)]


@pytest.mark.parametrize("reasons", [("h2load cannot", ""), ("", "its client stands elsewhere")])
def test_variants_that_take_one_client_are_refused_with_the_reason(reasons: tuple[str, str]) -> None:
    two = read(clients=2, datapaths=["direct", "tproxy", "tproxy"])
    assert admit(two, known()) == ("h1",)
    assert admit(read(clients=1), known(*reasons)) == ("h1",)
    with pytest.raises(InvalidInput) as refused:
        admit(two, known(*reasons))
    (problem,) = refused.value.problems
    assert problem.field == "clients"
    assert "".join(reasons) in problem.message
    assert "takes one client only" in problem.message


def test_the_form_asks_and_shows() -> None:
    assert blank().values["clients"] == "1"
    assert of_campaign(read(clients=2)).values["clients"] == "2"
    typed = mapping_of(Submitted({"clients": "4"}))
    assert typed["clients"] == 4
    assert mapping_of(Submitted({"clients": "two"}))["clients"] == "two", "the domain says what is wrong with it"


def test_threads_are_shared_out_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the generator's CPUs, which are all where they are shared."""
    monkeypatch.setattr("workers.lab.cpus.placement", lambda: Placement((0, 1, 2, 3), (4, 5), (6,)))
    assert cpus_of(0, 1, 64) == [0, 1, 2, 3]
    assert cpus_of(0, 1, 3) == [0, 1, 2]
    assert [cpus_of(client, 2, 64) for client in range(2)] == [[0, 1], [2, 3]]
    assert [cpus_of(client, 2, 2) for client in range(2)] == [[0], [1]]
    assert [cpus_of(client, 3, 64) for client in range(3)] == [[0], [1], [2]]
    assert [cpus_of(client, 8, 8) for client in range(8)] == [[0], [1], [2], [3]] * 2


def test_clients_get_equal_options_except_for_their_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = tmp_path / "generator"
    generator.write_text(
        f'#!/bin/sh\ncd {tmp_path}\nprintf "%s\\n" "$@" > $$.argv\n'
        "until [ $(ls *.argv | wc -l) = 3 ]; do sleep 0.01; done\nexit 1\n"
    )
    generator.chmod(0o755)
    monkeypatch.setattr(program, "PATH", generator)
    target = Target("direct", "a-1", "198.18.0.1", 80, more_netns=("a-2", "a-3"))
    plan = GeneratorPlan("showdown-traffic", ClosedLoad(connections=9), 9)
    assert ShowdownTraffic().run(plan, [target], Schedule(("direct",), 0.1))["direct"].failure
    argvs = sorted(
        (path.read_text().splitlines() for path in tmp_path.glob("*.argv")),
        key=lambda argv: argv[argv.index("--client") + 1],
    )
    assert len(argvs) == 3
    assert len({argv[argv.index("--rendezvous") + 1] for argv in argvs}) == 1
    for number, argv in enumerate(argvs, start=1):
        assert argv[argv.index("--client") + 1] == f"{number}/3"
        assert argv[argv.index("--connections") + 1] == "9", "of all: the generator divides"
        assert any(f"netns=/run/netns/a-{number}," in word for word in argv)
