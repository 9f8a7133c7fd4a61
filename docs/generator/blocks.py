"""Marked blocks of a document: ``<!-- generated: NAME -->`` to ``<!-- /generated -->``; in TOML, ``#`` comments."""

import re
from dataclasses import dataclass
from pathlib import Path

_MARKS = {
    ".md": ("<!-- generated: {name} -->\n\n", "\n\n<!-- /generated -->"),
    ".toml": ("# generated: {name}\n", "\n# /generated"),
}
_NAMES = {".md": r"^<!-- generated: (.+) -->$", ".toml": r"^# generated: (.+)$"}


class BlockError(ValueError):
    """A document lacks a block's marks, or a block's source is incomplete."""


@dataclass
class Document:
    """The text of a file, with blocks that can be replaced."""

    path: Path
    text: str
    saved: str

    @classmethod
    def read(cls, path: Path) -> "Document":
        """Read a file. Raises :class:`BlockError` if there is none."""
        try:
            text = path.read_text()
        except OSError as error:
            raise BlockError(f"{path} cannot be read: {error.strerror}") from error
        return cls(path, text, text)

    def replace(self, name: str, content: str) -> bool:
        """Put ``content`` into the block ``name``; returns whether that changed anything."""
        begin, end = _MARKS[self.path.suffix]
        begin = begin.format(name=name)
        pattern = re.compile(f"{re.escape(begin.rstrip())}\n(.*?)\n?{re.escape(end.strip())}", re.DOTALL)
        if len(pattern.findall(self.text)) != 1:
            raise BlockError(f"{self.path} needs one block between {begin.strip()!r} and {end.strip()!r}")
        before = self.text
        self.text = pattern.sub(lambda _: f"{begin}{content.strip(chr(10))}{end}", self.text)
        return self.text != before

    @property
    def names(self) -> set[str]:
        """The blocks that the file has."""
        return set(re.findall(_NAMES[self.path.suffix], self.text, re.MULTILINE))

    def save(self) -> None:
        """Write the file if it changed."""
        if self.text != self.saved:
            self.path.write_text(self.text)
            self.saved = self.text
