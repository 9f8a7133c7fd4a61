"""What a host reports about its variants."""

import json

import pytest
from click.testing import CliRunner

from domain.service.jobs import Variant
from workers.agent.capabilities import datapath_facts
from workers.agent.cli import workloads
from workers.datapaths.direct import Direct
from workers.datapaths.nft_redirect import NftRedirect
from workers.lab import sysctls


def test_the_command_line_lists_every_parameter_of_every_workload() -> None:
    listed = json.loads(CliRunner().invoke(workloads, ["--json"]).output)["workloads"]
    found = {one["name"]: Variant.model_validate(one) for one in listed}
    assert found["stream"].protocols == ("tcp",)
    text = " ".join(CliRunner().invoke(workloads).output.split())
    for name, variant in found.items():
        assert f"{name} ({variant.protocols[0]}; " in text
        assert variant.parameters
        for parameter in variant.parameters:
            assert f"{parameter.name} = {parameter.default}: {parameter.summary} {parameter.limits}" in text
    assert "gap_us = 5000: Between two tokens. 0 to 50,000 µs" in text


def test_a_kernel_without_ipv6_carries_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysctls, "versions", lambda: (4, 6))
    assert [datapath_facts(one())["ip_versions"] for one in (Direct, NftRedirect)] == [(4, 6), (4,)]
    monkeypatch.setattr(sysctls, "versions", lambda: (4,))
    assert datapath_facts(Direct())["ip_versions"] == (4,)
