"""Where the loader looks for a C source."""

from pathlib import Path

import pytest

from bpf import loader


def test_a_source_of_the_house_is_found_below_bpf() -> None:
    assert loader.source_path("datapaths/ebpf_lb.c") == loader.ROOT / "datapaths" / "ebpf_lb.c"


def test_a_directory_that_is_appended_adds_its_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "datapaths").mkdir()
    extra = tmp_path / "datapaths" / "extra.c"
    extra.write_text("")
    assert loader.source_path("datapaths/extra.c") == loader.ROOT / "datapaths" / "extra.c", "the one to complain of"
    monkeypatch.setattr(loader, "SOURCE_DIRS", [*loader.SOURCE_DIRS, tmp_path])
    assert loader.source_path("datapaths/extra.c") == extra


def test_an_absolute_path_stays_as_it_is(tmp_path: Path) -> None:
    source = tmp_path / "own.c"
    source.write_text("")
    assert loader.source_path(str(source)) == source
