"""What the doctor advises."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from domain.jobs import Variant
from workers.agent.capabilities import _of_datapath, _remedy
from workers.agent.cli import workloads
from workers.datapaths.direct import Direct
from workers.datapaths.nft_redirect import NftRedirect
from workers.inventory import kernel_features
from workers.lab import sysctls


def test_no_module_is_to_be_loaded_where_the_kernel_takes_none(tmp_path: Path) -> None:
    modules = tmp_path / "modules"
    assert _remedy("Run: modprobe ip_vs", modules) == "This kernel loads no modules: use one that has ip_vs built in."
    assert _remedy("Use bare metal.", modules) == "Use bare metal."
    modules.touch()
    assert _remedy("Run: modprobe ip_vs", modules) == "Run: modprobe ip_vs"


def test_the_command_line_lists_every_parameter_of_every_workload() -> None:
    told = json.loads(CliRunner().invoke(workloads, ["--json"]).output)["workloads"]
    found = {one["name"]: Variant.model_validate(one) for one in told}
    assert found["stream"].protocols == ("tcp",)
    text = " ".join(CliRunner().invoke(workloads).output.split())
    for name, variant in found.items():
        assert f"{name} ({variant.protocols[0]}; " in text
        assert variant.parameters
        for parameter in variant.parameters:
            assert f"{parameter.name} = {parameter.default}: {parameter.summary} {parameter.limits}" in text
    assert "gap_us = 5000: Between two tokens. 0 to 50,000 µs" in text


@pytest.mark.parametrize(
    ("stderr", "told"),
    [
        ("stdin:1:2: Error: No such file or directory\ntable ip t { }\n ^\n", "nft: No such file or directory"),
        ("Operation not permitted\n", "nft: Operation not permitted"),
        ("", "nft: status 1"),
    ],
)
def test_of_a_refused_rule_the_reason_is_told_and_not_the_rule(
    monkeypatch: pytest.MonkeyPatch, stderr: str, told: str
) -> None:
    def refuse(argv: list[str], **_: Any) -> None:
        raise subprocess.CalledProcessError(1, argv, stderr=stderr)

    monkeypatch.setattr(kernel_features.subprocess, "run", refuse)
    with pytest.raises(kernel_features.Refused) as refused:
        kernel_features.nft_flowtable()
    assert str(refused.value) == told


def test_a_kernel_without_ipv6_carries_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysctls, "versions", lambda: (4, 6))
    assert [_of_datapath(one())["ip_versions"] for one in (Direct, NftRedirect)] == [(4, 6), (4,)]
    monkeypatch.setattr(sysctls, "versions", lambda: (4,))
    assert _of_datapath(Direct())["ip_versions"] == (4,)
