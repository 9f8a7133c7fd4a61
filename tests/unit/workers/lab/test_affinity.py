"""Which CPUs a proxy may use: the first of the DUT, as many as the condition says, and no more than there are."""

import pytest

from workers.lab import affinity, cpus
from workers.lab.affinity import AffinityError
from workers.lab.spec import LabSpec

SHARED = cpus.Placement((0, 1), (0, 1), (0, 1))
OWN = cpus.Placement((0,), (2, 3, 5), (7,))


def spec(proxy_cpus: int | None) -> LabSpec:
    return LabSpec("abcdef", "tproxy", 0, proxy_cpus=proxy_cpus)


@pytest.mark.parametrize(
    ("placement", "asked", "proxy", "others"),
    [
        (SHARED, None, (), ()),
        (SHARED, 1, (0,), ()),
        (SHARED, 2, (0, 1), ()),
        (OWN, None, (2, 3, 5), (2, 3, 5)),
        (OWN, 2, (2, 3), (2, 3, 5)),
    ],
)
def test_only_proxies_are_bound_to_the_first_cpus(
    monkeypatch: pytest.MonkeyPatch,
    placement: cpus.Placement,
    asked: int | None,
    proxy: tuple[int, ...],
    others: tuple[int, ...],
) -> None:
    monkeypatch.setattr(cpus, "placement", lambda: placement)
    assert affinity.bound(spec(asked), "dut", affinity.PROXY) == proxy
    assert affinity.bound(spec(asked), "dut", None) == others
    assert affinity.of_proxies(spec(asked)) == (proxy or placement.dut)


@pytest.mark.parametrize(
    ("placement", "asked", "said"),
    [
        (SHARED, 3, r"the DUT has 2 CPUs here \(0-1\); ask for proxy_cpus\(2\) at most"),
        (OWN, 4, r"the DUT has 3 CPUs here \(2-3,5\); ask for proxy_cpus\(3\) at most"),
        (cpus.Placement((0,), (0,), (0,)), 2, r"the DUT has 1 CPU here \(0\)"),
    ],
)
def test_more_than_the_dut_has_is_refused(
    monkeypatch: pytest.MonkeyPatch, placement: cpus.Placement, asked: int, said: str
) -> None:
    monkeypatch.setattr(cpus, "placement", lambda: placement)
    with pytest.raises(AffinityError, match=said):
        affinity.bound(spec(asked), "dut", affinity.PROXY)
