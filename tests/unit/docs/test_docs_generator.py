"""The generated blocks of the documents: they are current, they are replaced as a whole, and gaps are errors."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from docs.generate import ROOT, stale_documents
from docs.generator import fields, results, thresholds, variants
from docs.generator.blocks import BlockError, Document
from docs.generator.contents import DOCUMENTS


def test_the_documents_are_current() -> None:
    assert stale_documents(ROOT, write=False) == []


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in DOCUMENTS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text())
    for family in ("datapaths", "probes"):
        shutil.copytree(ROOT / "docs" / family, tmp_path / "docs" / family, dirs_exist_ok=True)
    return tmp_path


def test_a_page_that_is_missing_is_named_and_begun_from_the_variants_own_words(copy: Path) -> None:
    page = copy / "docs/probes/forward.md"
    page.unlink()
    assert stale_documents(copy, write=False) == ["docs/probes/forward.md: the page"]
    assert not page.exists()
    stale_documents(copy, write=True)
    text = page.read_text()
    assert text.startswith("# `forward`\n\nA packet's way through the DUT")
    assert "Only forwarding datapaths have this stage" in text
    page.write_text("# By its author\n")
    assert stale_documents(copy, write=True) == []
    assert page.read_text() == "# By its author\n"


def test_a_stale_block_is_named_and_rewritten(copy: Path) -> None:
    readme = copy / "README.md"
    written = readme.read_text()
    readme.write_text(written.replace("[`tproxy`]", "[`other`]"))
    assert stale_documents(copy, write=False) == ["README.md: the block 'datapaths'"]
    assert "[`other`]" in readme.read_text()
    stale_documents(copy, write=True)
    assert readme.read_text() == written


def test_a_document_without_the_marks_is_an_error(copy: Path) -> None:
    (copy / "docs/method.md").write_text("# Method\n")
    with pytest.raises(BlockError, match=r"method\.md needs one block"):
        stale_documents(copy, write=True)


def test_a_block_that_nothing_writes_is_an_error(copy: Path) -> None:
    """It would stay empty, as the table of margins did."""
    page = copy / "docs/method.md"
    page.write_text(page.read_text() + "\n<!-- generated: thresholds: more -->\n<!-- /generated -->\n")
    with pytest.raises(BlockError, match=r"method\.md: nothing writes the block 'thresholds: more'"):
        stale_documents(copy, write=False)


def test_a_block_is_replaced_and_nothing_around_it(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("before\n<!-- generated: one -->\n<!-- /generated -->\nafter \\1\n")
    document = Document.read(path)
    assert document.replace("one", r"| \1 |")
    document.save()
    assert path.read_text() == (
        "before\n<!-- generated: one -->\n\n| \\1 |\n\n<!-- /generated -->\nafter \\1\n"
    )  # fmt: skip
    assert not Document.read(path).replace("one", r"| \1 |")


def test_every_datapath_and_probe_is_in_its_tables_and_has_a_page() -> None:
    table, probes = variants.datapaths_in_full(), variants.probes_table()
    names = {one.name for one in variants.datapaths()}
    assert all(f"[`{name}`]({name}.md)" in table for name in names)
    assert {path.stem for path in (ROOT / "docs/datapaths").glob("*.md")} == names | {"index", "traits"}
    pages = {path.stem for path in (ROOT / "docs/probes").glob("*.md")} - {"index"}
    assert pages == {line.split("`")[1] for line in probes.splitlines()[2:]}


def test_a_reason_without_words_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "EXPLANATIONS", {})
    with pytest.raises(BlockError, match=r"domain/trials/reasons\.py lacks ballast_mismatch, "):
        results.reasons_table()


def test_a_field_without_a_meaning_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "meanings", dict)
    with pytest.raises(BlockError, match=r"campaign\.description has no description"):
        fields.campaign_fields()


def row(**other: Any) -> dict[str, list[dict[str, Any]]]:
    return {"one": [{"what": "Something", "why": "Own choice.", "constant": "MIN_PAIRS"} | other]}


def test_a_threshold_has_its_value_and_place_from_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thresholds, "sections", lambda: row(constant=["OLD_NAME", "MIN_PAIRS"], unit=" pairs"))
    last = thresholds.thresholds_table("one").splitlines()[-1]
    assert last == "| Something | 5 pairs | `MIN_PAIRS` in `domain/reports/report.py` | Own choice. |"


def test_a_threshold_that_is_gone_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thresholds, "sections", lambda: row(constant="NEVER_DEFINED"))
    with pytest.raises(BlockError, match="NEVER_DEFINED must be defined once, is defined in nowhere"):
        thresholds.thresholds_table("one")
