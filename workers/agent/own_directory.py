"""One worker at a time owns a host's state directory: its outbox, its spool and its counters have one writer."""

import fcntl
import os
from pathlib import Path

from workers.agent.config import ConfigError

LOCK = "worker.lock"


def own(directory: Path) -> None:
    """Keep the directory for this process, until it ends. Raises :class:`ConfigError` if another worker has it.

    The lock is of the process, as POSIX has it: a child that outlives a killed worker does not hold it.
    """
    path = directory / LOCK
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"{path} cannot be opened: {error.strerror}; correct SHOWDOWN_STATE_DIR") from error
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise ConfigError(
            f"another worker of this host runs with {directory}; end it, or set another SHOWDOWN_HOST"
        ) from error
