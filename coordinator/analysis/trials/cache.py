"""A cache of derived values that are expensive to compute; this process keeps them until their source changes.

Derived values are never stored. The database is authoritative, and a version read from it says if a value is valid.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class VersionedCache(Generic[T]):
    """The newest version of recently used values. Thread-safe; two threads never compute the same value at once."""

    def __init__(self, size: int, weigh: Callable[[T], int] = lambda _: 1) -> None:
        """``size``: the sum of the weights of all values in the cache; a heavier value is kept alone."""
        self._size, self._weigh = size, weigh
        self._lock = threading.Lock()
        self._making: dict[str, threading.Lock] = {}
        self._known: OrderedDict[str, tuple[Hashable, T]] = OrderedDict()

    def get(self, name: str, version: Hashable, make: Callable[[], T]) -> T:
        """The value of ``name`` at ``version``, computed if it is missing. Exceptions of ``make`` are not cached."""
        with self._lock:
            making = self._making.setdefault(name, threading.Lock())
        with making:
            with self._lock:
                known = self._known.get(name)
                if known is not None and known[0] == version:
                    self._known.move_to_end(name)
                    return known[1]
            try:
                value = make()
            except BaseException:
                self._forget(name)
                raise
            with self._lock:
                self._known[name] = version, value
                self._known.move_to_end(name)
                self._drop()
        return value

    def clear(self) -> None:
        """Forget every value."""
        with self._lock:
            self._known.clear()

    def _forget(self, name: str) -> None:
        """A name without a value must leave nothing here: callers may invent as many as they like."""
        with self._lock:
            if name not in self._known:
                self._making.pop(name, None)

    def _drop(self) -> None:
        whole = sum(self._weigh(value) for _, value in self._known.values())
        while whole > self._size and len(self._known) > 1:
            dropped, (_, value) = self._known.popitem(last=False)
            whole -= self._weigh(value)
            self._making.pop(dropped, None)


class Sparing:
    """When to compute what a growing campaign says: after each of its first blocks, and then after every 5 % more.

    A campaign of n blocks is thus analysed about 20 · ln(n / 20) + 20 times and not n times. Thread-safe.
    """

    _GROWTH = 1.05
    _CAMPAIGNS = 256

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: OrderedDict[str, int] = OrderedDict()

    def is_due(self, name: str, blocks: int) -> bool:
        """True if enough blocks have ended since the last time; the same number is due again."""
        with self._lock:
            last = self._last.get(name, 0)
            if last < blocks < last * self._GROWTH:
                return False
            self._last[name] = blocks
            self._last.move_to_end(name)
            while len(self._last) > self._CAMPAIGNS:
                self._last.popitem(last=False)
        return True
