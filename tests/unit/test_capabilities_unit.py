"""What the doctor advises."""

import json
from pathlib import Path

from click.testing import CliRunner

from domain.jobs import Variant
from workers.capabilities import _remedy
from workers.cli import workloads


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
