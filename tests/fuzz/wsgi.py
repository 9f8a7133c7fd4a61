"""Requests as bytes, sent through WSGI as the server hands them over, and the curl line that repeats one."""

import io
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote_to_bytes

from flask import Flask, got_request_exception
from werkzeug.test import run_wsgi_app

SHOWN_BYTES = 2_000
MOST_TARGET_BYTES = 4_000  # the server refuses a longer request line
MOST_HEAD_BYTES = 30_000  # and a longer head
CHUNKED = "Transfer-Encoding"
_VERB = "request_method".upper()


@dataclass(frozen=True)
class Request:
    """One request; ``target`` is the path with its query, quoted. ``name`` says which valid request it was made of."""

    method: str
    target: bytes
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    name: str = ""

    def header(self, name: str) -> str:
        """The value of a header; empty without it."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    def with_header(self, name: str, value: str | None) -> "Request":
        """With this header only once, or without it."""
        others = tuple(pair for pair in self.headers if pair[0].lower() != name.lower())
        return replace(self, headers=others if value is None else (*others, (name, value)))

    @property
    def can_arrive(self) -> bool:
        """Whether the server would hand it to the application: it refuses the others itself."""
        head = "".join(f"{name}: {value}" for name, value in self.headers)
        printable = all(c == "\t" or (" " <= c <= "\xff" and c != "\x7f") for c in head)
        sane = bool(self.method) and self.method.isascii() and self.method.isalpha() and self.method.isupper()
        fits = len(self.target) <= MOST_TARGET_BYTES and len(head) <= MOST_HEAD_BYTES
        return printable and sane and fits and not any(byte <= 32 or byte == 127 for byte in self.target)

    def as_curl(self) -> str:
        """The command that repeats it; a long body is cut, because the seed repeats it, too."""
        target = self.target.decode("latin-1")
        words = ["curl", "--path-as-is", "-X", self.method]
        for name, value in self.headers:
            words += ["-H", f"{name}: {value}"]
        line = shlex.join([*words, f"http://127.0.0.1:8080{target}"])
        if not self.body:
            return line
        cut = "" if len(self.body) <= SHOWN_BYTES else f"  # the first {SHOWN_BYTES} of {len(self.body)} bytes"
        return f"printf '%b' {_octal(self.body[:SHOWN_BYTES])} | {line} --data-binary @-{cut}"


def _octal(body: bytes) -> str:
    """As printf's %b reads it."""
    plain = set(b'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 {}[]",:._-+=&/#()<>')
    return "'" + "".join(chr(b) if b in plain else f"\\0{b:03o}" for b in body) + "'"


@dataclass(frozen=True)
class Answer:
    """What came back; ``error`` is the exception behind a status of 500."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    cpu_s: float
    error: str = ""

    @property
    def type(self) -> str:
        """The content type."""
        return next((value for name, value in self.headers if name.lower() == "content-type"), "")


class Client:
    """Sends requests to an application in this process."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._errors: list[str] = []

    @contextmanager
    def attached(self) -> Iterator["Client"]:
        """Notes the application's exceptions meanwhile."""
        with got_request_exception.connected_to(self._note, self._app):
            yield self

    def _note(self, _: Flask, exception: BaseException, **__: Any) -> None:
        last = exception.__traceback__
        while last is not None and last.tb_next is not None:
            last = last.tb_next
        where = f" at {last.tb_frame.f_code.co_filename}:{last.tb_lineno}" if last is not None else ""
        self._errors.append(f"{type(exception).__name__}: {str(exception)[:300]}{where}")

    def send(self, request: Request) -> Answer:
        """The application's answer."""
        self._errors.clear()
        begun_s = time.thread_time()
        content, status, headers = run_wsgi_app(self._app, environ_of(request), buffered=True)
        body = b"".join(content)
        cpu_s = time.thread_time() - begun_s
        return Answer(int(status.split()[0]), tuple(headers), body, cpu_s, "; ".join(self._errors))


def environ_of(request: Request) -> dict[str, Any]:
    """As gunicorn makes it."""
    path, _, query = request.target.partition(b"?")
    environ: dict[str, Any] = {
        _VERB: request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query.decode("latin-1"),
        "RAW_URI": request.target.decode("latin-1"),
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1:8080",
        "CONTENT_LENGTH": str(len(request.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in request.headers:
        key = name.upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        is_repeated = key in environ and key != "HTTP_HOST" and key.startswith("HTTP_")
        environ[key] = f"{environ[key]},{value}" if is_repeated else value
    if request.header(CHUNKED):
        environ["wsgi.input_terminated"] = True
        environ.pop("CONTENT_LENGTH", None)
    return environ
