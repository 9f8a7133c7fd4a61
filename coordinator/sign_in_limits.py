"""How often a wrong token may be sent, per address and for the account as a whole.

The right token is never refused for wrong ones that others sent: else any address could lock the user out. A token has
at least 16 characters, so what limits guessing is its length; this limit says so in the answer and in the log.

The counts are in memory. They hold for the whole coordinator, because ``showdown coordinator serve`` is one process,
whatever the environment asks of gunicorn.
"""

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable

WINDOW_S = 60.0
ALLOWED_BY_ADDRESS = 5
ALLOWED_BY_ACCOUNT = 100
ADDRESSES_KEPT = 1000

log = logging.getLogger(__name__)


class SignInFailures:
    """Failed sign-ins within the last minute, in this process; it keeps the newest addresses. Thread-safe."""

    def __init__(self, addresses_kept: int = ADDRESSES_KEPT, clock: Callable[[], float] = time.monotonic) -> None:
        self._kept, self._clock = addresses_kept, clock
        self._lock = threading.Lock()
        self._by_address: OrderedDict[str, deque[float]] = OrderedDict()
        self._by_account: deque[float] = deque(maxlen=ALLOWED_BY_ACCOUNT + 1)

    def add(self, address: str) -> bool:
        """Count a failure; ``True`` if there were more than a minute allows."""
        with self._lock:
            now = self._clock()
            recent = self._by_address.pop(address, None) or deque(maxlen=ALLOWED_BY_ADDRESS + 1)
            self._by_address[address] = recent
            while len(self._by_address) > self._kept:
                self._by_address.popitem(last=False)
            by_address = _count(recent, now)
            by_account = _count(self._by_account, now)
        if by_address == ALLOWED_BY_ADDRESS + 1:
            log.warning("more than %d failed sign-ins in a minute from %.60s", ALLOWED_BY_ADDRESS, address)
        return by_address > ALLOWED_BY_ADDRESS or by_account > ALLOWED_BY_ACCOUNT


def _count(times: deque[float], now: float) -> int:
    """Add ``now``, and return how many are recent, up to two more than are allowed."""
    while times and now - times[0] >= WINDOW_S:
        times.popleft()
    full = len(times) == times.maxlen
    times.append(now)
    return len(times) + full
