"""The words of the glossary, for the page that explains them."""

import json
import re
from pathlib import Path

from docs.generator.blocks import BlockError

_GLOSSARY = Path(__file__).resolve().parent.parent / "glossary.md"
_ROW = re.compile(r"^\| (.+?) \| (.+) \|$", re.MULTILINE)


def terms(text: str | None = None) -> str:
    """Each word of docs/glossary.md with its meaning, as TOML, in the order of the alphabet."""
    rows = _ROW.findall(_GLOSSARY.read_text(encoding="utf-8") if text is None else text)
    found = {word: meaning for word, meaning in rows if word != "word"}
    if len(found) != len(rows) - 1:
        raise BlockError("docs/glossary.md has a word twice, or lacks the head of its table")
    ordered = sorted(found.items(), key=lambda row: row[0].lower())
    return "\n".join(f"{json.dumps(word)} = {json.dumps(meaning, ensure_ascii=False)}" for word, meaning in ordered)
