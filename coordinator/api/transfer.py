"""How answers travel: validators of caches (ETag), compression, and nothing that another user's cache may keep."""

import gzip
import hashlib
import zlib
from collections.abc import Iterable, Iterator

from flask import Flask, Response, request

from coordinator.api.codec import is_public_api

LEAST_BYTES = 1024  # a smaller answer fits into one packet anyway
LEVEL = 4  # beyond it, time grows faster than size falls, and this host may be the one that measures
_TYPES = ("application/json", "application/problem+json", "application/toml", "application/xml", "image/svg+xml")
_READS = ("GET", "HEAD")


def add_validator(response: Response) -> Response:
    """Give an answer of the API an ETag, and answer 304 to a client that has it.

    It is the hash of the answer, so it is right after an update of Showdown too. The answer is computed all the same.
    """
    if not is_public_api(request.path) or request.method not in _READS:
        return response
    response.headers.setdefault("Cache-Control", "private, no-cache")
    if response.status_code == 200 and not response.is_streamed and not response.direct_passthrough:
        representation = f"{response.mimetype}\n".encode() + response.get_data()
        response.set_etag(hashlib.sha256(representation).hexdigest()[:32], weak=True)
        response.make_conditional(request)
    return response


def compress(response: Response) -> Response:
    """Compress an answer with gzip for a client that takes it; workers' answers stay as they are."""
    if request.path.startswith("/api/") and not is_public_api(request.path):
        return response
    mimetype = response.mimetype or ""
    is_text = mimetype.startswith("text/") or mimetype in _TYPES
    if not is_text or response.direct_passthrough or response.status_code in (204, 304):
        return response
    response.vary.add("Accept-Encoding")
    if response.headers.get("Content-Encoding") or not _accepts_gzip():
        return response
    if response.is_streamed:
        response.response = _pieces(response.iter_encoded())
        response.headers.pop("Content-Length", None)
    elif len(data := response.get_data()) >= LEAST_BYTES:
        response.set_data(gzip.compress(data, LEVEL, mtime=0))
    else:
        return response
    response.headers["Content-Encoding"] = "gzip"
    return response


def _accepts_gzip() -> bool:
    return request.accept_encodings.quality("gzip") > 0


def _pieces(answer: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    for piece in answer:
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()


def install(app: Flask) -> None:
    """Prepare every answer of ``app``; the last one registered runs first."""
    app.after_request(compress)
    app.after_request(add_validator)
