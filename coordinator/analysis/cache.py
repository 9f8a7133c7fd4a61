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

    def __init__(self, size: int) -> None:
        """``size``: the number of names in the cache."""
        self._size = size
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
            value = make()
            with self._lock:
                self._known[name] = version, value
                self._known.move_to_end(name)
                while len(self._known) > self._size:
                    dropped, _ = self._known.popitem(last=False)
                    self._making.pop(dropped, None)
        return value
