"""How many requests a client may send to the API in a minute, and the headers that say how many are left."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from flask import Flask, Response, g, request

from coordinator.api.codec import error_response, is_public_api
from coordinator.services import services

WINDOW_S = 60
CLIENTS_KEPT = 10_000


class Rate(NamedTuple):
    """What a client has left. ``reset_at`` is in seconds since the epoch."""

    limit: int
    remaining: int
    reset_at: int
    refused: bool


class Rates:
    """Requests in the present minute, by client, in this process; it keeps the newest clients. Thread-safe."""

    def __init__(self, limit: int, clock: Callable[[], float]) -> None:
        self._limit, self._clock = limit, clock
        self._lock = threading.Lock()
        self._counts: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def count(self, client: str) -> Rate:
        """Count a request."""
        window = int(self._clock() // WINDOW_S)
        with self._lock:
            of_window, sent = self._counts.pop(client, (window, 0))
            sent = sent + 1 if of_window == window else 1
            self._counts[client] = window, sent
            while len(self._counts) > CLIENTS_KEPT:
                self._counts.popitem(last=False)
        left = max(0, self._limit - sent)
        return Rate(self._limit, left, (window + 1) * WINDOW_S, sent > self._limit)


def install(app: Flask) -> None:
    """Count the requests of ``app`` to the public API, before the token is checked. A limit of 0 counts none."""
    with app.app_context():
        known = services()
    if not known.settings.requests_per_minute:
        return
    rates = Rates(known.settings.requests_per_minute, known.clock)

    @app.before_request
    def _count() -> Response | None:
        if not is_public_api(request.path):
            return None
        g.rate = rates.count(request.remote_addr or "")
        if not g.rate.refused:
            return None
        message = f"more than {g.rate.limit:,} requests in a minute (SHOWDOWN_REQUESTS_PER_MINUTE)"
        response = error_response(429, message)
        response.headers["Retry-After"] = str(max(1, g.rate.reset_at - int(known.clock())))
        return response

    @app.after_request
    def _state(response: Response) -> Response:
        rate: Rate | None = g.get("rate")
        if rate is not None:
            response.headers["X-RateLimit-Limit"] = str(rate.limit)
            response.headers["X-RateLimit-Remaining"] = str(rate.remaining)
            response.headers["X-RateLimit-Reset"] = str(rate.reset_at)
        return response
