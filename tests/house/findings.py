"""What the checks share: findings, the tracked files, and how a check ends."""

import subprocess
import sys
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent

VENDORED = ("coordinator/web/static/vendor/*", "tests/vendor/*")
"""Files of others, which keep their own style."""


class Finding(NamedTuple):
    """One thing that breaks a rule: where, what, and what to do."""

    path: str
    line: int
    what: str
    cure: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what} — {self.cure}"


def tracked(*suffixes: str, root: Path = ROOT) -> list[str]:
    """The files of the repository with one of ``suffixes`` that exist and are ours."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    names = sorted(name for name in listing.split("\0") if name)
    return [name for name in names if is_ours(name) and name.endswith(suffixes) and (root / name).is_file()]


def is_ours(name: str) -> bool:
    """False for vendored files."""
    return not any(fnmatch(name, pattern) for pattern in VENDORED)


def report(findings: Iterable[Finding]) -> int:
    """Print findings; the exit status of the check."""
    count = 0
    for count, finding in enumerate(sorted(findings), start=1):  # noqa: B007 (it is the last number that counts)
        print(finding)
    if count:
        print(f"{count} {'finding' if count == 1 else 'findings'}", file=sys.stderr)
    return 1 if count else 0
