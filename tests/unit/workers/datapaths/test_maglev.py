"""Maglev's promises: equal shares, hardly any disruption, and the same table for the same backends."""

import time
from collections import Counter

import pytest

from tests.host_noise import in_windows
from workers.datapaths.lib import maglev
from workers.lab.addresses import Addresses

BACKENDS = [f"198.19.0.{n}" for n in range(2, 6)]
HUNDRED = Addresses(4, 0, origins_count=100).origins
MANY = [f"10.0.{n}.1" for n in range(40)]


@pytest.mark.parametrize("backends", [BACKENDS[:1], BACKENDS[:3], BACKENDS, MANY], ids=len)
def test_shares_differ_by_one_slot_at_most(backends: list[str]) -> None:
    shares = Counter(maglev.table(backends, backends))
    assert set(shares) == set(range(len(backends)))
    assert max(shares.values()) - min(shares.values()) <= 1
    assert sum(shares.values()) == maglev.SLOTS


@pytest.mark.parametrize("gone", BACKENDS)
def test_when_one_goes_the_others_keep_their_slots(gone: str) -> None:
    before = maglev.table(BACKENDS, BACKENDS)
    after = maglev.table(BACKENDS, set(BACKENDS) - {gone})
    lost = BACKENDS.index(gone)
    assert lost not in after
    shares = Counter(after)
    assert max(shares.values()) - min(shares.values()) <= 1
    # What need not move and did: at slots so many times the backends, next to nothing (section 5.3 of the paper).
    moved = sum(one != other for one, other in zip(before, after, strict=True) if one != lost)
    assert moved / maglev.SLOTS < 0.03


def test_of_many_backends_hardly_anything_moves_either() -> None:
    before = maglev.table(MANY, MANY)
    after = maglev.table(MANY, MANY[1:])
    moved = sum(one != other for one, other in zip(before, after, strict=True) if one != 0)
    assert moved / maglev.SLOTS < 0.05
    naive = sum(slot % 40 != slot % 39 for slot in range(maglev.SLOTS)) / maglev.SLOTS
    assert naive > 0.9, "what a plain modulo does"


def test_a_hundred_origins_have_a_hundred_slots_each_as_the_paper_asks() -> None:
    """Section 3.4: so many slots that shares differ by 1 % at most; and hardly more moves than one origin's share."""
    shares = Counter(maglev.table(HUNDRED, HUNDRED))
    assert min(shares.values()) >= 100
    assert max(shares.values()) / min(shares.values()) < 1.01
    moves = [maglev.moved(HUNDRED, set(HUNDRED) - {one}, {one}) for one in HUNDRED[::20]]
    assert all(0.01 <= share < 0.03 for share in moves), moves


def test_who_comes_back_gets_its_old_slots() -> None:
    before = maglev.table(BACKENDS, BACKENDS)
    maglev.table(BACKENDS, BACKENDS[1:])
    assert maglev.table(BACKENDS, BACKENDS) == before


def test_a_backend_is_known_by_its_name_not_by_its_place() -> None:
    one, other = maglev.table(BACKENDS, BACKENDS), maglev.table(BACKENDS[::-1], BACKENDS)
    same = sum(BACKENDS[a] == BACKENDS[::-1][b] for a, b in zip(one, other, strict=True))
    assert same / maglev.SLOTS > 0.97  # who has the first turn in each round is all that differs


def test_its_slots_follow_from_the_names_alone() -> None:
    """Another process, another day: a balancer that starts again must choose as before."""
    assert maglev.table(BACKENDS, BACKENDS)[:12].hex() == "020202030303030303020201"


def test_without_a_backend_every_slot_is_empty() -> None:
    assert maglev.table(BACKENDS, ()) == bytes([maglev.NO_BACKEND]) * maglev.SLOTS


@pytest.mark.parametrize(
    ("backends", "slots"),
    [(BACKENDS, 16_380), (BACKENDS, 3), (["a", "a"], 101), ([str(n) for n in range(256)], 16_381), ([], 1)],
    ids=["no prime", "too few slots", "twice", "too many", "one slot"],
)
def test_what_cannot_be_is_refused(backends: list[str], slots: int) -> None:
    with pytest.raises(ValueError, match=r"must be a prime|distinct names"):
        maglev.table(backends, backends, slots)


@in_windows
def test_a_table_is_made_quickly() -> None:
    started = time.process_time()
    maglev.table([*BACKENDS, "new"], [*BACKENDS, "new"])
    assert time.process_time() - started < 0.2


def test_what_moves_when_a_backend_joins_is_its_share_and_hardly_more() -> None:
    moved = maglev.moved(BACKENDS, BACKENDS[1:], BACKENDS[:1])
    assert 1 / len(BACKENDS) <= moved + 1 / maglev.SLOTS
    assert moved < 1 / len(BACKENDS) + 0.03
    assert maglev.moved(BACKENDS, BACKENDS, ()) == 0
    assert maglev.moved(BACKENDS, (), BACKENDS) == 1
