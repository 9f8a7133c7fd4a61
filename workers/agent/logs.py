"""The log of a worker: standard error, in the form of all Showdown's processes. Celery's own lines take it too."""

import logging
import sys
from collections.abc import Mapping

from domain.logs import FORMATS, handler
from workers.agent.config import ConfigError

VARIABLE = "SHOWDOWN_LOG_FORMAT"


def configure(level: str, environ: Mapping[str, str], secrets: tuple[str, ...]) -> None:
    """Write every log to standard error; ``secrets`` never appear in it. Raises :class:`ConfigError`."""
    kind = environ.get(VARIABLE, "") or FORMATS[0]
    if kind not in FORMATS:
        raise ConfigError(f"{VARIABLE} must be {' or '.join(FORMATS)}")
    root = logging.getLogger()
    root.handlers[:] = [handler(sys.stderr, kind, secrets)]
    root.setLevel(level)
