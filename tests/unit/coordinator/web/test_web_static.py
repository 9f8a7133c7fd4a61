"""Static files: unmodified vendored files, and nothing that the content security policy forbids."""

import hashlib
import re
from pathlib import Path

import pytest

import coordinator.web

WEB = Path(coordinator.web.__file__).parent
VENDOR = WEB / "static" / "vendor"
SUMS = dict(reversed(line.split()) for line in (VENDOR / "SHA256SUMS").read_text().splitlines())


@pytest.mark.parametrize("name", sorted(p.name for p in VENDOR.iterdir() if p.suffix in {".js", ".css", ".txt"}))
def test_vendored_files_are_as_they_were_taken(name: str) -> None:
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == SUMS[name]


def test_every_sum_has_its_file_and_every_library_its_licence() -> None:
    assert all((VENDOR / name).is_file() for name in SUMS)
    for script in VENDOR.glob("*.js"):
        assert (VENDOR / f"{script.name.split('.')[0]}.LICENSE.txt").is_file()


@pytest.mark.parametrize("template", sorted((WEB / "templates").rglob("*.html")), ids=lambda p: p.name)
def test_templates_hold_nothing_that_the_content_policy_forbids(template: Path) -> None:
    text = template.read_text()
    assert not re.search(r"\sstyle\s*=|<style|\son[a-z]+\s*=|javascript:|hx-on|hx-vals\s*=\s*.js:", text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))
    assert not re.search(r'(src|href)\s*=\s*"(https?:)?//', text)
    assert "| safe" not in text
