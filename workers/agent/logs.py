"""The log of a worker: standard error, in the form of all Showdown's processes. Celery's own lines take it too."""

import logging
import sys
from collections.abc import Mapping

from domain.service.logs import FORMATS, handler
from workers.agent.config import ConfigError

VARIABLE = "SHOWDOWN_LOG_FORMAT"
_SECRETS = ("SHOWDOWN_WORKER_TOKEN", "SHOWDOWN_HOST_TOKEN", "SHOWDOWN_INFLUX_TOKEN")


def configure(level: str, environ: Mapping[str, str]) -> None:
    """Write every log to standard error, without the environment's secrets. Raises :class:`ConfigError`."""
    kind = environ.get(VARIABLE, "") or FORMATS[0]
    if kind not in FORMATS:
        raise ConfigError(f"{VARIABLE} must be {' or '.join(FORMATS)}")
    root = logging.getLogger()
    root.handlers[:] = [handler(sys.stderr, kind, [environ.get(name, "") for name in _SECRETS])]
    root.setLevel(level)
