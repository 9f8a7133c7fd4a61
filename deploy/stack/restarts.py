"""How often a child may be started again: a limit over time, because a stack may stay up for months."""

import time
from collections import deque
from collections.abc import Callable

LIMIT = 5
WINDOW_S = 600.0


class Restarts:
    """The restarts of one child. ``total`` counts all, the limit only those of the last ``WINDOW_S``."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: deque[float] = deque()
        self.total = 0

    def allow(self) -> bool:
        """Count one more restart; false if there were too many lately."""
        now = self._clock()
        while self._times and now - self._times[0] > WINDOW_S:
            self._times.popleft()
        if len(self._times) >= LIMIT:
            return False
        self._times.append(now)
        self.total += 1
        return True
