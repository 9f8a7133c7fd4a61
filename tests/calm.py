"""Origins that take their time, for blocks in which speed proves nothing.

A closed loop at full speed keeps every CPU busy as long as its slices last, and most tests look at proofs and reasons.
With an nginx that is slow, the same block takes a tenth of the CPU time.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from workers.origins import nginx

RATE_PER_S = 2000
"""So many answers per second come at most from one lab's nginx, evenly spread: it delays what is too early."""

_ANSWER = '        location / {{ return 200 "{body}"; }}\n'
_SERVER = "    server {{\n{listen}"
# nginx returns before it limits; it looks for a file later. A delay is logged one level below that of a refusal.
_ZONE = f"    limit_req_zone $server_port zone=calm:64k rate={RATE_PER_S}r/s;\n    limit_req_log_level notice;\n"
_CALM = """\
        location / {{ limit_req zone=calm burst=100000; try_files /none @calm; }}
        location @calm {{ return 200 "{body}"; }}
"""


def calm_from_now_on() -> None:
    """Every nginx that this process starts as an origin is slow."""
    assert nginx.CONFIG.count(_ANSWER) == nginx.CONFIG.count(_SERVER) == 1, "it has changed: change this file, too"
    nginx.CONFIG = nginx.CONFIG.replace(_ANSWER, _CALM).replace(_SERVER, _ZONE + _SERVER)


@contextmanager
def calm_origins() -> Iterator[None]:
    """Every nginx that starts as an origin within the context, or in a test with this decorator, is slow."""
    config = nginx.CONFIG
    calm_from_now_on()
    try:
        yield
    finally:
        nginx.CONFIG = config
