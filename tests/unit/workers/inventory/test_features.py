"""What the doctor advises."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from workers.inventory import nft_features
from workers.inventory.features import remedy_of
from workers.inventory.refused import Refused


def test_no_module_is_to_be_loaded_where_the_kernel_takes_none(tmp_path: Path) -> None:
    modules = tmp_path / "modules"
    assert remedy_of("Run: modprobe ip_vs", modules) == "This kernel loads no modules: use one that has ip_vs built in."
    assert remedy_of("Use bare metal.", modules) == "Use bare metal."
    modules.touch()
    assert remedy_of("Run: modprobe ip_vs", modules) == "Run: modprobe ip_vs"


@pytest.mark.parametrize(
    ("stderr", "reason"),
    [
        ("stdin:1:2: Error: No such file or directory\ntable ip t { }\n ^\n", "nft: No such file or directory"),
        ("Operation not permitted\n", "nft: Operation not permitted"),
        ("", "nft: status 1"),
    ],
)
def test_a_refused_rule_is_reported_by_its_reason_alone(
    monkeypatch: pytest.MonkeyPatch, stderr: str, reason: str
) -> None:
    def refuse(argv: list[str], **_: Any) -> None:
        raise subprocess.CalledProcessError(1, argv, stderr=stderr)

    monkeypatch.setattr(nft_features.subprocess, "run", refuse)
    with pytest.raises(Refused) as refused:
        nft_features.flowtable()
    assert str(refused.value) == reason
