"""The log of the coordinator's processes: where it goes, in which form, and the id of the request in every line."""

import logging
import re
import secrets as random
import sys
from collections.abc import Mapping

from flask import Flask, Response, g, has_request_context, request
from gunicorn.config import Config
from gunicorn.glogging import Logger

from coordinator.config import Settings, log_format
from domain.service.logs import handler

REQUEST_HEADER = "X-Request-ID"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def configure(settings: Settings | None = None, environ: Mapping[str, str] | None = None) -> None:
    """Write every log to standard error. ``settings`` names secrets that must not appear in it."""
    made = handler(sys.stderr, log_format(environ), settings.secret_values if settings else ())
    made.addFilter(_with_request_id)
    root = logging.getLogger()
    root.handlers[:] = [made]
    root.setLevel(logging.INFO)
    logging.getLogger("alembic").setLevel(logging.WARNING)


class GunicornLog(Logger):  # type: ignore[misc]
    """gunicorn's own log, in the same form."""

    def setup(self, cfg: Config) -> None:
        """Called by gunicorn in each of its processes."""
        super().setup(cfg)
        configure()
        self.error_log.handlers.clear()
        self.error_log.propagate = True


def install(app: Flask) -> None:
    """Give each request an id: the front's ``X-Request-ID`` if it is sound, else a new one. The answer names it."""
    app.before_request(_name_request)
    app.after_request(_show_request_id)


def request_id() -> str:
    """The id of this request; empty outside of one."""
    return str(g.get("request_id", "")) if has_request_context() else ""


def _name_request() -> None:
    given = request.headers.get(REQUEST_HEADER, "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else random.token_hex(8)


def _show_request_id(response: Response) -> Response:
    if found := request_id():
        response.headers[REQUEST_HEADER] = found
    return response


def _with_request_id(record: logging.LogRecord) -> bool:
    record.request_id = request_id()
    return True
