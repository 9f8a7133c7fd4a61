"""Maglev hashing: the look-up table of a load balancer (Eisenbud et al., NSDI 2016, section 3.4).

Every backend has the same number of slots, give or take one. When a backend goes, the others get its slots, and few
other slots change. Two balancers with the same backends have the same table, whatever their history.
"""

import hashlib
from collections.abc import Collection, Sequence
from functools import lru_cache

SLOTS = 16_381
"""A prime, as the paper requires. For the most origins of a lab it is 163 each: the paper asks for 100, so that shares
are equal within 1 %. Four origins have 4,095 each, and equal shares within 0.1 %."""

NO_BACKEND = 0xFF
MAX_BACKENDS = NO_BACKEND


def table(backends: Sequence[str], up: Collection[str], slots: int = SLOTS) -> bytes:
    """For each slot the index in ``backends`` of its backend; :data:`NO_BACKEND` in all slots when none is ``up``.

    Raises ``ValueError`` for duplicate backends, and for more than fit a byte. The number of slots must be prime, and
    not less than the number of backends.
    """
    if len(set(backends)) != len(backends) or len(backends) > MAX_BACKENDS:
        raise ValueError(f"{len(backends)} backends: they need distinct names, and at most {MAX_BACKENDS} fit")
    if slots < max(len(backends), 2) or any(slots % factor == 0 for factor in range(2, int(slots**0.5) + 1)):
        raise ValueError(f"{slots} slots: must be a prime number, and no less than the {len(backends)} backends")
    return _populated(tuple((number, name) for number, name in enumerate(backends) if name in up), slots)


def moved(backends: Sequence[str], up: Collection[str], more: Collection[str], slots: int = SLOTS) -> float:
    """The share of slots that get another backend when ``more`` backends join those that are ``up``.

    At least the share that the new ones get must move. What exceeds it is the disruption of the paper's section 5.3.
    """
    before, after = table(backends, up, slots), table(backends, {*up, *more}, slots)
    return sum(one != other for one, other in zip(before, after, strict=True)) / slots


@lru_cache(maxsize=64)
def _populated(backends: tuple[tuple[int, str], ...], slots: int) -> bytes:
    """Each backend in turn takes the next slot of its permutation that is still free (the paper's listing 1)."""
    out = bytearray([NO_BACKEND]) * slots
    turns = [(number, *_permutation(name, slots)) for number, name in backends]
    places = [offset for _, offset, _ in turns]
    free = slots if turns else 0
    while free:
        for turn, (number, _, skip) in enumerate(turns):
            place = places[turn]
            while out[place] != NO_BACKEND:
                place = (place + skip) % slots
            out[place] = number
            places[turn] = (place + skip) % slots
            free -= 1
            if not free:
                break
    return bytes(out)


def _permutation(name: str, slots: int) -> tuple[int, int]:
    """Where a backend's permutation of the slots begins, and its step."""
    digest = hashlib.blake2s(name.encode()).digest()
    offset, skip = int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:16], "little")
    return offset % slots, skip % (slots - 1) + 1
