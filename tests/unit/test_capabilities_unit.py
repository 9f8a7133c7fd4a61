"""What the doctor advises."""

from pathlib import Path

from workers.capabilities import _remedy


def test_no_module_is_to_be_loaded_where_the_kernel_takes_none(tmp_path: Path) -> None:
    modules = tmp_path / "modules"
    assert _remedy("Run: modprobe ip_vs", modules) == "This kernel loads no modules: use one that has ip_vs built in."
    assert _remedy("Use bare metal.", modules) == "Use bare metal."
    modules.touch()
    assert _remedy("Run: modprobe ip_vs", modules) == "Run: modprobe ip_vs"
