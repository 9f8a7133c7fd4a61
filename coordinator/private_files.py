"""Files of the state directory that only this user may read: secrets, and the key that signs."""

import os
import tempfile
from pathlib import Path


def own_text(path: Path) -> str:
    """The text of a file of this user. Raises ``OSError`` for another user's file, and for a symbolic link."""
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), encoding="utf-8") as file:
        if os.fstat(file.fileno()).st_uid != os.geteuid():
            raise PermissionError("it belongs to another user")
        return file.read()


def write_new(path: Path, text: str) -> bool:
    """Create ``path`` with mode 0600 atomically; ``False`` if another process created it first. Raises ``OSError``."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".secrets-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        os.unlink(temporary)
    return True
