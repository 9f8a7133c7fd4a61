"""Removing a network namespace's entry when the kernel does not unmount it."""

import ctypes
import errno
from pathlib import Path
from types import SimpleNamespace

import pytest

from workers.lab import netns


@pytest.fixture
def entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(netns, "DIRECTORY", tmp_path)
    (tmp_path / "one").touch()
    return tmp_path / "one"


def umount_fails(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def umount2(target: bytes, flags: int) -> int:
        ctypes.set_errno(number)
        return -1

    monkeypatch.setattr(netns, "LIBC", SimpleNamespace(umount2=umount2))


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOMEM])
def test_an_entry_that_cannot_be_unmounted_stays(entry: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    umount_fails(monkeypatch, number)
    with pytest.raises(OSError, match=f"unmount {entry}") as raised:
        netns.remove("one")
    assert raised.value.errno == number
    assert entry.exists()


def test_an_entry_that_is_not_mounted_is_removed(entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    umount_fails(monkeypatch, errno.EINVAL)
    netns.remove("one")
    assert not entry.exists()


def test_an_entry_that_is_gone_is_no_error(entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    umount_fails(monkeypatch, errno.ENOENT)
    entry.unlink()
    netns.remove("one")
