"""Run the checks of files: all of them, or those that are named: links, sizes, words, sentences and others."""

import sys
from collections.abc import Callable, Iterator, Mapping

from tests.house import (
    house_children,
    house_commits,
    house_errors,
    house_links,
    house_privates,
    house_sentences,
    house_sizes,
    house_words,
)
from tests.house.findings import Finding, report

CHECKS: Mapping[str, Callable[[], Iterator[Finding]]] = {
    "links": house_links.findings,
    "sizes": house_sizes.findings,
    "words": house_words.findings,
    "sentences": house_sentences.findings,
    "privates": house_privates.findings,
    "children": house_children.findings,
    "commits": house_commits.findings,
    "errors": house_errors.findings,
}


def main() -> int:
    """The command line; returns the exit status."""
    names = sys.argv[1:] or list(CHECKS)
    if unknown := set(names) - set(CHECKS):
        print(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(CHECKS)}", file=sys.stderr)
        return 2
    return report(finding for name in names for finding in CHECKS[name]())


if __name__ == "__main__":
    sys.exit(main())
