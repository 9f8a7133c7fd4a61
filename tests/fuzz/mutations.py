"""Mutations of whole requests: body, encoding, headers, method, path and query."""

import gzip
import json
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import Any
from urllib.parse import parse_qsl, quote_from_bytes, urlencode

from domain.hosts.protocol import HEADER
from tests.fuzz.values import NUMBERS, TEXTS, changed
from tests.fuzz.wsgi import CHUNKED, Request

Mutation = Callable[[Request, Random], Request]

_METHODS = (
    "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "BREW", "X",
)  # fmt: skip
_TYPES = (
    "", "text/plain", "application/json", "application/json; charset=utf-16", "application/json; charset=nosuch",
    "application/toml", "application/xml", "application/msgpack", "application/octet-stream", "text/html", "*/*",
    "json",
    "application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=utf-7", "multipart/form-data",
    "multipart/form-data; boundary=x", "multipart/form-data; boundary=" + "b" * 500, "application/json\t;;;=",
    "\xff/\xfe",
)  # fmt: skip
_SEGMENTS = (
    b"..", b".", b"", b"%2e%2e", b"%2e%2e%2f%2e%2e%2fetc%2fpasswd", b"%00", b"a%00b", b"%ff", b"%ed%a0%80",
    b"%c3%28", b"%2f",
    b"%5c..%5c", b";a=1", b"~", b"%", b"%zz", b"-1", b"0", b"99999999999999999999", b"1" * 3_900, b"1.5", b"+1",
    b"%D9%A1",
    b"NaN", b"h2", b"h1.", b"H1", b"-", b"a-b-c-d", b"__proto__", b"%F0%9F%92%A9", b"a" * 3_000, b"%0d%0aX:%201",
    b"new",
)  # fmt: skip
_QUERIES = (
    "limit", "before", "like", "cell", "against", "next", "seen", "stage", "from", "to", "points", "offset", "page",
    "state",
    "workload", "level", "datapath", "metric", "host", "a[]", "",
)  # fmt: skip
_HEADERS: Sequence[tuple[str, Sequence[str]]] = (
    ("Accept", ("", "*/*", "application/json;q=x", "text/html;q=-1", "a" * 5_000, ",,,;;;")),
    ("Accept-Language", ("x" * 500, "\xff", "de;q=nan")),
    ("Authorization", ("", "Bearer", "Bearer ", "Basic Og==", "Basic %%%", "Bearer \xff\xfe", "Digest x")),
    ("Authorization", ("Bearer " + "a" * 20_000,)),
    ("Cookie", ("showdown=", "showdown=..", "showdown=" + "A" * 4_000, "\xff=\xfe", '="', "showdown=.eJw.x.y")),
    ("Cookie", ("a=b; " * 2_000,)),
    ("Content-Encoding", ("gzip", "deflate", "br", "x" * 100)),
    ("Expect", ("100-continue", "nonsense")),
    ("Host", ("", "a" * 300, "evil.example", "[::1", "127.0.0.1:99999", "a b", "\xff", "a@b", "x/y", "..")),
    ("If-Modified-Since", ("Thu, 99 Foo 0000", "0", "x" * 500)),
    ("If-None-Match", ("*", '"', "W/", "x" * 5_000)),
    ("Range", ("bytes=0-", "bytes=-1", "bytes=99999999999999999999-", "bytes=1-0,2-1", "x")),
    ("Referer", ("\xff", "javascript:1", "x" * 9_000)),
    ("X-CSRF-Token", ("", "x", "\xff", "a" * 9_000)),
    ("X-Forwarded-For", ("1.2.3.4", "x" * 1_000, "::1, \xff")),
    ("X-Forwarded-Host", ("evil.example",)),
    ("X-Forwarded-Proto", ("https", "x")),
    ("X-HTTP-Method-Override", ("DELETE",)),
    ("HX-Request", ("true",)),
    (HEADER, ("", "1", "1.0", "2.1", "2.9999", "0.0", "999.999", "1." + "9" * 5_000, "-1.-1", "1.1.1", "x", "\xff")),
    ("X-Request-Id", ("", "x" * 9_000, "\xff\xfe", "a b\tc")),
    ("Content-Length", ("0", "1", "7")),
    (CHUNKED, ("chunked",)),
)  # fmt: skip


def _json_of(request: Request) -> Any:
    try:
        return json.loads(request.body)
    except (ValueError, RecursionError):
        return None


def _dumped(value: Any, rng: Random) -> bytes:
    try:
        text = json.dumps(value, ensure_ascii=rng.random() < 0.7)
    except (ValueError, RecursionError):  # a number of 400 digits inside a float
        return b"{}"
    return text.encode("utf-8", "surrogatepass")


def value(request: Request, rng: Random) -> Request:
    """Change one value of a JSON body or a form; text bodies are spoilt."""
    if request.header("Content-Type").startswith("application/x-www-form"):
        return replace(request, body=_form(request, rng))
    found = _json_of(request)
    if found is None:
        return spoil(request, rng)
    return replace(request, body=_dumped(changed(found, rng), rng))


def _form(request: Request, rng: Random) -> bytes:
    pairs = parse_qsl(request.body.decode("latin-1"), keep_blank_values=True)
    at = rng.randrange(len(pairs) + 1)
    if at == len(pairs):
        pairs.append((rng.choice([rng.choice(TEXTS), "plan", "toml", "parameters.stream.tokens"]), rng.choice(TEXTS)))
    else:
        name, old = pairs[at]
        text = rng.choice(TEXTS)
        new = rng.choice([text, str(rng.choice(NUMBERS)), old * 3, "", f"{old}\n{text}", f"{text} = {old}"])
        pairs[at : at + 1] = rng.choice([[(name, new)], [(name, old), (name, new)], [], [(new, old)]])
    return urlencode(pairs, errors="surrogatepass").encode()


def spoil(request: Request, rng: Random) -> Request:
    """Flip, insert, remove or double bytes of the body."""
    body = bytearray(request.body or b"{}")
    for _ in range(rng.choice([1, 1, 2, 8])):
        at = rng.randrange(len(body) + 1)
        piece = rng.choice(
            [rng.randbytes(3), b"\0", b'"', b"}", b"]", b",", b"\\u0000", b"\\ud800", b"\xff", body[:20]]
        )
        body[at : at + rng.choice([0, 1, 5])] = piece
    return replace(request, body=bytes(body))


def cut(request: Request, rng: Random) -> Request:
    """End the body early, or go on after its end."""
    body = request.body
    return replace(request, body=rng.choice([body[: rng.randrange(len(body) + 1)], body + b"x", body * 2, b""]))


def recode(request: Request, rng: Random) -> Request:
    """The same content in another encoding, with or without saying so."""
    found, body = _json_of(request), request.body
    text = body.decode("utf-8", "replace")
    kinds: list[tuple[str, bytes]] = [
        ("application/msgpack", msgpack(found)),
        ("application/msgpack", msgpack(found)[: rng.randrange(9)]),
        ("application/json", b"\xef\xbb\xbf" + body),
        ("application/json", text.encode("utf-16")),
        ("application/json", text.encode("utf-32")),
        ("application/json", gzip.compress(body, mtime=0)),
        ("application/json", b'{"a": 1, ' + body.lstrip(b"{ ")),
        ("application/toml", body),
        ("application/x-www-form-urlencoded", body),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="toml"\r\n\r\n' + body),
        ("multipart/form-data; boundary=x", _upload(rng)),
    ]
    content_type, new = rng.choice(kinds)
    other = replace(request, body=new)
    return other.with_header("Content-Type", content_type) if rng.random() < 0.7 else other


def _upload(rng: Random) -> bytes:
    head = b'--x\r\nContent-Disposition: form-data; name="toml"; filename="../../x"\r\nContent-Type: text/plain\r\n\r\n'
    return head + b"x" * rng.choice([0, 5, 600_000]) + rng.choice([b"\r\n--x--\r\n", b"", b"\r\n--x"])


def deepen(request: Request, rng: Random) -> Request:
    """A body that is nested deeply, as text."""
    depth, (begin, end) = rng.choice([100, 900, 5_000, 40_000]), rng.choice([(b"[", b"]"), (b'{"a":', b"}")])
    return replace(request, body=begin * depth + b"1" + end * rng.choice([depth, depth - 1]))


def grow(request: Request, rng: Random) -> Request:
    """A body at and above the limits."""
    size = rng.choice([4_096, 4_097, 65_537, 1 << 20, (1 << 20) + 1, 3 << 20])
    filler = rng.choice([b" ", b"x", b"9", b"\0", b"&a=b", b"# \n"])
    return replace(request, body=request.body + filler * (size // len(filler)))


def content_type(request: Request, rng: Random) -> Request:
    """Another content type."""
    return request.with_header("Content-Type", rng.choice(_TYPES))


def header(request: Request, rng: Random) -> Request:
    """A header that is wrong, absurd or huge."""
    name, choices = rng.choice(_HEADERS)
    chosen = rng.choice(choices)
    if name == "Content-Length":
        chosen = str(min(int(chosen), len(request.body)))
    elif rng.random() < 0.05:
        return replace(request, headers=(*request.headers, *((f"X-{i}", "x" * 200) for i in range(90))))
    return request.with_header(name, chosen)


def credential(request: Request, rng: Random) -> Request:
    """Without its credential, or with a broken one."""
    kept = request.header("Authorization") or request.header("Cookie")
    name = "Authorization" if request.header("Authorization") else "Cookie"
    return request.with_header(
        name, rng.choice([None, kept[:-3], kept + "x", kept.lower(), kept[::-1], f"{kept}, {kept}"])
    )


def method(request: Request, rng: Random) -> Request:
    """Another method."""
    return replace(request, method=rng.choice(_METHODS))


def path(request: Request, rng: Random) -> Request:
    """Another segment of the path, one more, or one fewer."""
    whole, question, query = request.target.partition(b"?")
    parts = whole.split(b"/")
    at, new = rng.randrange(1, len(parts)) if len(parts) > 1 else 0, rng.choice(_SEGMENTS)
    parts[at : at + rng.choice([0, 1, 1, 1])] = rng.choice([[new], [new], [parts[at] + new], [new, new], []])
    joined = b"/".join(parts)
    return replace(request, target=(joined if joined.startswith(b"/") else b"/" + joined) + question + query)


def query(request: Request, rng: Random) -> Request:
    """One to three parameters with absurd values."""
    pairs = []
    for _ in range(rng.choice([1, 1, 2, 3])):
        text = rng.choice([rng.choice(TEXTS), str(rng.choice(NUMBERS)), "h1", "running"])[:900]
        pairs.append(f"{rng.choice(_QUERIES)}={quote_from_bytes(text.encode('utf-8', 'surrogatepass'))}".encode())
    raw = rng.choice([b"&".join(pairs), b"&".join(pairs), b"%ff=%ff", b"&&&===", b"a" * 3_000, b"limit=%00&before=%"])
    return replace(request, target=request.target.partition(b"?")[0] + b"?" + raw)


MUTATIONS: tuple[Mutation, ...] = (
    value, value, value, value, value, value, spoil, cut, recode, deepen, grow, content_type, header, header,
    credential, method,
    path, path, query, query,
)  # fmt: skip
_OF_BODIES = (value, spoil, cut, deepen, grow)


def mutated(request: Request, rng: Random) -> Request:
    """One to three mutations; those of a body only where there is one, mostly."""
    kinds = [one for one in MUTATIONS if request.body or one not in _OF_BODIES or rng.random() < 0.1]
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        with suppress(RecursionError):  # an earlier mutation has nested it
            request = rng.choice(kinds)(request, rng)
    return request


def msgpack(found: Any) -> bytes:
    """The value in MessagePack."""
    if found is None or isinstance(found, bool):
        return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[found]
    if isinstance(found, int):
        return b"\xd3" + struct.pack(">q", max(-(2**63), min(found, 2**63 - 1)))
    if isinstance(found, float):
        return b"\xcb" + struct.pack(">d", found)
    if isinstance(found, str):
        text = found.encode("utf-8", "surrogatepass")
        return b"\xdb" + struct.pack(">I", len(text)) + text
    if isinstance(found, dict):
        return b"\xdf" + struct.pack(">I", len(found)) + b"".join(msgpack(k) + msgpack(v) for k, v in found.items())
    return b"\xdd" + struct.pack(">I", len(found)) + b"".join(msgpack(one) for one in found)
