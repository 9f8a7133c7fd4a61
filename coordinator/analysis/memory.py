"""Derived values that are dear to compute, kept in this process until what they were made of changes.

Nothing derived is stored: the database stays the only truth, and a version read from it says whether a value holds.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Memory(Generic[T]):
    """The newest version of the values asked for last; safe between threads, and no two make the same one at once."""

    def __init__(self, size: int) -> None:
        """``size``: how many names are remembered."""
        self._size = size
        self._lock = threading.Lock()
        self._making: dict[str, threading.Lock] = {}
        self._known: OrderedDict[str, tuple[Hashable, T]] = OrderedDict()

    def get(self, name: str, version: Hashable, make: Callable[[], T]) -> T:
        """The value of ``name`` at ``version``, made if it is not known. What ``make`` raises is not kept."""
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
