"""The load balancers over a hundred origins on the real kernel: shares, marks, and the way back from each of them."""

from collections import Counter
from pathlib import Path

import pytest

from tests.kernel.bench import Bench, bench
from tests.kernel.datapaths.balance_rig import DATAPATHS, asked, balancer
from tests.kernel.datapaths.declared import FACTS
from workers.datapaths.lib.balancing import State

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

ORIGINS, CONNECTIONS = 100, 1_500
EACH = pytest.mark.parametrize(
    ("name", "ip_version"), [(name, version) for name in sorted(DATAPATHS) for version in (4, 6)]
)


@EACH
def test_each_of_a_hundred_origins_gets_its_part_and_answers(name: str, ip_version: int, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path, ip_version, origins=ORIGINS) as b:
        assert asked(b, CONNECTIONS) == CONNECTIONS
        given = b.counters().origins or {}
        seen = Counter(address for address, _ in b.origins_seen(CONNECTIONS))
        assert given == dict.fromkeys(b.lab.origin_addresses, 0) | dict(seen)
        assert len(given) == ORIGINS
        if FACTS[name].origins_in_turn:
            assert max(given.values()) - min(given.values()) <= 4
        else:  # 15 on average: none without any, and none with six standard deviations more
            assert 0 < min(given.values()) <= max(given.values()) < 15 + 6 * 15**0.5
        assert (b.counters().leaked_packets, b.counters().dropped_packets) == (0, 0)
        _marked(b, name)


def _marked(b: Bench, name: str) -> None:
    """Of a hundred origins the last two are up: they get all connections."""
    *others, last, very_last = b.lab.origin_addresses
    for address in others:
        balancer(b).mark(address, State.DOWN)
    before = b.counters().origins or {}
    assert asked(b, 40) == 40
    after = b.counters().origins or {}
    assert {address for address in after if after[address] > before[address]} == {last, very_last}, name
