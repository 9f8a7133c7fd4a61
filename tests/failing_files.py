"""File operations that fail as on a full or read-only disk."""

import os
from pathlib import Path

import pytest


def failing(monkeypatch: pytest.MonkeyPatch, method: str, name: str, number: int) -> None:
    """A method of ``Path`` fails with this error number for files of this name."""
    real = getattr(Path, method)

    def fails(self: Path, *args: object, **options: object) -> object:
        if self.name == name:
            raise OSError(number, os.strerror(number))
        return real(self, *args, **options)

    monkeypatch.setattr(Path, method, fails)
