"""Files and directories of the state directory, which another user must not have prepared."""

import os
import stat
from pathlib import Path


def own_directory(path: Path) -> None:
    """Create ``path`` with mode 0700, or check that it is so. Raises ``OSError`` with the reason otherwise.

    A directory that another user can write to may hold symbolic links to any file, and secrets of that user's choice.
    """
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(f"{path} is no directory")
    if found.st_uid != os.geteuid():
        raise PermissionError(f"{path} belongs to the user with id {found.st_uid}, not to {os.geteuid()}")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise PermissionError(f"other users can enter {path} (mode {stat.S_IMODE(found.st_mode):o}): chmod 700 {path}")


def open_own(path: Path, flags: int) -> int:
    """Open or create a regular file of this user, with mode 0600; a symbolic link is refused. Raises ``OSError``."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and found.st_nlink == 1:
        return descriptor
    os.close(descriptor)
    raise PermissionError(f"{path} is not a file of this user alone; remove it")


def read_own(path: Path) -> str:
    """The text of such a file. Raises ``OSError``."""
    with open(open_own(path, os.O_RDONLY), encoding="utf-8") as file:
        return file.read()


def write_own(path: Path, text: str) -> None:
    """Replace the text of such a file. Raises ``OSError``."""
    with open(open_own(path, os.O_WRONLY | os.O_CREAT), "w", encoding="utf-8") as file:
        file.truncate()
        file.write(text)
