"""The figures that udp_rr declares, and the options that its level's condition asks for."""

import pytest

from domain.loads.condition import PLAIN, Condition
from domain.loads.load import ClosedLoad
from domain.trials.counters import Counters
from workers.traffic.base import SliceTraffic
from workers.workloads.base import Observed
from workers.workloads.udp_rr import UdpRr


def observed(*counts: dict[str, int]) -> Observed:
    slices = tuple(SliceTraffic(0.0, 0.5, requests=1, bytes_received=1, counts=one) for one in counts)
    return Observed(slices, Counters(), PLAIN, cpu_s=0.09, began_s=0.0)


def test_its_figures_are_of_the_datagrams_of_all_counted_slices() -> None:
    found = UdpRr().figures(
        observed(
            {"datagrams_sent": 6000, "datagrams_back": 5950, "datagrams_reordered": 9},
            {"datagrams_sent": 4000, "datagrams_back": 3050},
        )
    )
    assert {one.name: one.value for one in found.figures} == pytest.approx(
        {"datagrams_per_s": 9000.0, "cpu_us_per_datagram": 10.0, "lost_percent": 10.0, "reordered_percent": 0.1}
    )
    assert found.series == ()


def test_without_an_echo_there_are_no_figures() -> None:
    assert UdpRr().figures(observed({"datagrams_sent": 5}, {})).figures == ()


@pytest.mark.parametrize(("condition", "option"), [(PLAIN, ()), (Condition(udp_gso=True), ("--udp-gso",))])
def test_gso_is_an_option_of_the_sender(condition: Condition, option: tuple[str, ...]) -> None:
    plan = UdpRr().plan(ClosedLoad(connections=1, condition=condition), {"datagrams": 10})
    assert plan.options == ("--workload", "udp_rr", "--body-bytes", "64", "--datagrams", "10", *option)
    assert plan.messages == 10
