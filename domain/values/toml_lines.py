"""The line of a TOML text that a problem is about. Pure.

The parser keeps no positions, so this module looks for keys and table headings itself. It understands how campaigns are
written: one key a line, arrays over several lines, tables with headings. For what it does not find it has no line.
"""

import re
from collections.abc import Iterator

from domain.values.problems import Problem, place_in_list

_HEADING = re.compile(r"\s*\[\[?\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"\s*((?:[\w-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[\w-]+|\"[^\"]*\"|'[^']*'))*)\s*=")
_ENTRY = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*|\]')
_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)")


def line_of(text: str, problem: Problem) -> int | None:
    """The number of the line, from 1; ``None`` if the problem is about no line, such as a missing field."""
    if at := _AT_LINE.search(problem.message):
        return int(at[1])
    wanted = tuple(problem.field.split("."))
    best: tuple[tuple[str, ...], int] | None = None
    for path, position in _keys(text):
        if wanted[: len(path)] == path and (best is None or len(path) > len(best[0])):
            best = path, position
    if best is None:
        return None
    path, position = best
    rest = wanted[len(path) :]
    if rest and (place := place_in_list(rest[0])) is not None:
        position = _entry(text, position, place)
    return text.count("\n", 0, position) + 1


def _keys(text: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """Every key and heading as a path, with the position of its line."""
    table: tuple[str, ...] = ()
    position = 0
    for line in text.splitlines(keepends=True):
        if heading := _HEADING.match(line):
            table = _parts(heading[1])
            yield table, position
        elif key := _KEY.match(line):
            yield (*table, *_parts(key[1])), position
        position += len(line)


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def _entry(text: str, start: int, index: int) -> int:
    """The position of an array's entry; of the array itself if there are fewer strings."""
    begin = text.find("[", start)
    for found in _ENTRY.finditer(text, begin) if begin >= 0 else ():
        if found[0] == "]":
            break
        if not found[0].startswith("#"):
            if index == 0:
                return found.start()
            index -= 1
    return start
