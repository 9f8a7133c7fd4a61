"""Commit subjects since a base are imperative sentences of at most 72 characters.

python -m tests.house.house_commits [BASE [HEAD]]; without a base, since the rule exists.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.house.findings import ROOT, Finding, report

MAX_CHARACTERS = 72
# Verbs that end as participles do.
_VERBS = frozenset({"add", "embed", "feed", "seed", "speed", "need", "shed", "bring", "string", "ping", "sing"})
EXCEPTIONS = frozenset(
    {
        "Filters, shapers, TLS, failover, floods; people, rules, trends, bundles",
        "Tests misdirect a forwarding datapath by the name of a field",
        "Blocks whose trials must be valid are windows, too",
        "Tests of TLS repeat a window because of measured noise only",
        "Tests of the noise helper leave no note in the summary",
    }
)
"""Subjects from before the rule that a noun is no beginning: history stays as it is."""
# Verbs that end like nouns of the plural do.
_VERBS_IN_S = frozenset({"alias", "bias", "canvas", "focus"})
_NO_VERBS = frozenset({"a", "an", "the", "one", "no", "some", "where", "what", "how", "this", "that", "it", "more"})


def findings(base: str = "", head: str = "HEAD", root: Path = ROOT) -> Iterator[Finding]:
    """The subjects of ``base..head`` that break the rules; merges do not count.

    Without a base: since this file was added. A shallow clone or an archive has nothing to check.
    """
    base = base or _added(root)
    for line in _git(root, "log", "--no-merges", "--format=%h %s", f"{base}..{head}").splitlines() if base else ():
        commit, _, subject = line.partition(" ")
        for what, cure in () if subject in EXCEPTIONS else problems(subject):
            yield Finding(commit, 0, f"{what}: {subject!r}", cure)


def _added(root: Path) -> str:
    try:
        return _git(root, "log", "--diff-filter=A", "--format=%H", "--", "tests/house/house_commits.py").strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout


def problems(subject: str) -> Iterator[tuple[str, str]]:
    """(what is wrong, what to do) of one subject."""
    if len(subject) > MAX_CHARACTERS:
        yield f"{len(subject)} characters", f"at most {MAX_CHARACTERS}"
    if subject.endswith("."):
        yield "a period at the end", "leave it out"
    words = re.sub(r"^[\w./-]+:\s*", "", subject).split()
    first = re.sub(r"\W", "", words[0]).lower() if words else ""
    if first in _NO_VERBS or (first.endswith(("ed", "ing")) and first not in _VERBS):
        yield f"{first!r} is no imperative", "begin with a verb: add, fix, remove"
    elif first.endswith("s") and not first.endswith("ss") and first not in _VERBS_IN_S:
        yield f"{first!r} is a noun or no imperative", "say what is done with it: add, fix, remove"


def main() -> int:
    """The command line; returns the exit status."""
    if len(sys.argv) > 3:
        print((__doc__ or "").strip(), file=sys.stderr)
        return 2
    base, head, *_ = [*sys.argv[1:], "", ""]
    return report(findings(base, head or "HEAD"))


if __name__ == "__main__":
    sys.exit(main())
