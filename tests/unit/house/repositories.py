"""Files of a test's repository, and what a check finds in them."""

from collections.abc import Iterator
from pathlib import Path

from tests.house.findings import Finding


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def whats(findings: Iterator[Finding]) -> list[tuple[str, int, str]]:
    return [(one.path, one.line, one.what) for one in findings]
