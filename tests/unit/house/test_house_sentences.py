"""Sentences that are too long are found wherever people read them."""

from pathlib import Path

import pytest

from tests.house import house_sentences
from tests.unit.house.repositories import whats, write


def test_long_sentences_are_found_where_they_begin(repository: Path) -> None:
    words = "Word" + " word" * 24
    write(
        repository,
        "page.md",
        f"Short. {words}. And {words}.\n\n- Item of `some code that counts once`, {' '.join(['word'] * 21)}.\n"
        f"```\n{words} {words}\n```\n| {words} | {words} word |\n> {words} {words}\n",
    )
    assert whats(house_sentences.findings(repository)) == [
        ("page.md", 1, "a sentence of 26 words: And Word word word word …"),
        ("page.md", 7, "a sentence of 26 words: Word word word word word …"),
    ]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("Word" + " word" * 25, 26),
        ("Word" + " word" * 14 + ": word" + " word" * 14, 0),
        ("Word" + " word" * 14 + "; word" + " word" * 15, 31),
        ("Word" + " word" * 12 + ". nft(8)" + " word" * 13, 0),
        ("Word" + " word" * 12 + ", e.g. word" + " word" * 13, 28),
    ],
)
def test_a_colon_begins_another_count_and_a_small_name_another_sentence(
    words: str, found: int, repository: Path
) -> None:
    write(repository, "page.md", f"{words}.\n")
    assert [one.what.split()[3] for one in house_sentences.findings(repository)] == ([str(found)] if found else [])


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.py", '"""Short.\n\n{words}.\n"""\n', 3),
        ("a.py", 'class A:\n    x: int\n    """{words}."""\n', 3),
        ("a.py", "x = 1\n# {half}\n# {half}.\n", 2),
        ("a.py", "x = 1  # {half}\n# {half}\n", 0),
        ("a.py", 'option("--x", help="{words}")\n', 1),
        ("a.c", "int x;\n\n/* {half}\n * {half}. */\n", 3),
        ("a.h", "int x; // {words}\n", 1),
        ("a.html", "<p>Short</p>\n<p>{half} <b>{half}</b> {{{{ value }}}}</p>\n", 2),
        ("a.html", "<p>{half}</p><p>{half}</p>{{% if {half} %}}{half}{{% endif %}}<script>{words}</script>\n", 0),
    ],
)
def test_sentences_are_found_wherever_people_read_them(repository: Path, name: str, text: str, line: int) -> None:
    half = " ".join(["word"] * 13)
    write(repository, name, text.format(words=f"{half} {half}", half=half))
    assert [one.line for one in house_sentences.findings(repository)] == ([line] if line else [])


def test_what_a_measurement_wrote_is_not_checked_as_prose(repository: Path) -> None:
    words = " ".join(["word"] * 26)
    matrix = f"<!-- matrix: begin -->\n{words}\n<!-- matrix: end -->\n\n"
    scenario = f"<!-- generated: measured by tls -->\n{words}\n<!-- /generated -->\n\n"
    other = f"<!-- generated: reasons -->\n{words}\n<!-- /generated -->\n\n"
    write(repository, "page.md", f"{matrix}{scenario}{words}\n\n{other}")
    assert [one.line for one in house_sentences.findings(repository)] == [9, 11]
