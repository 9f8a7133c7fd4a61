"""How C sources reach BCC: as one text, whose lines the compiler still places right; and what they hold once."""

import re
from pathlib import Path

import pytest

from bpf.loader import ROOT, joined

SOURCES = sorted(str(path.relative_to(ROOT)) for path in ROOT.rglob("*.c"))
LINE = re.compile(r'#line (\d+) "(.+)"')
MAX_FUNCTION_LINES, MAX_FILE_LINES = 40, 300


@pytest.mark.parametrize("source", SOURCES)
def test_none_of_our_headers_is_left_to_the_compiler(source: str) -> None:
    assert not re.search(r'^\s*#\s*include\s+"', joined(source), re.MULTILINE)


@pytest.mark.parametrize("source", SOURCES)
def test_each_line_is_where_the_compiler_believes_it_to_be(source: str) -> None:
    path, number = Path(), 0
    for line in joined(source).splitlines():
        if found := LINE.fullmatch(line):
            path, number = Path(found[2]), int(found[1])
            continue
        assert path.read_text().splitlines()[number - 1] == line
        number += 1


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.[ch]")), ids=lambda path: path.name)
def test_files_and_functions_are_short(path: Path) -> None:
    lines, begin = path.read_text().splitlines(), 0
    assert len(lines) <= MAX_FILE_LINES
    for number, line in enumerate(lines):
        if re.match(r"[A-Za-z].*\w\(", line):
            begin = number
        assert line != "}" or number - begin < MAX_FUNCTION_LINES, lines[begin]


def test_counters_and_inlining_are_written_once() -> None:
    for path in ROOT.rglob("*.[ch]"):
        text = path.read_text()
        assert "always_inline)" not in text, path
        assert "counts.lookup" not in text or path.name == "counter.h", path
