"""Every datapath has its own test file, which declares how the datapath can be broken, and leaves nothing out."""

import importlib.util

import pytest

from domain.trials.trial import Reason
from domain.values.names import LIMIT
from tests.kernel.datapaths.declared import FACTS, FAULTS, module_of
from tests.kernel.datapaths.faults import (
    BY_PROXY,
    DATAGRAMS_UNSTEERED,
    MAP_EMPTIED,
    MAP_EMPTIED_CHURN,
    PART_GONE,
    STEERING_GONE,
    WRONG_DEVICES,
    Case,
    Fault,
)
from tests.variants import DATAPATHS

PROXIES = {"program.haproxy", "program.showdown-relay", "nginx.stream"}
EVERY = pytest.mark.parametrize("name", DATAPATHS)


@EVERY
def test_it_has_its_own_test_file(name: str) -> None:
    assert importlib.util.find_spec(module_of(name)), f"write tests/kernel/datapaths/test_datapath_{name}.py"


@EVERY
def test_it_declares_faults_each_with_a_reason(name: str) -> None:
    assert FAULTS[name], f"{module_of(name)}.FAULTS: say what can be taken from the datapath"
    for case, fault in FAULTS[name].items():
        assert isinstance(case, Case)
        assert isinstance(fault, Fault)
        assert isinstance(fault.reason, Reason)


@EVERY
def test_a_proxy_can_be_killed_and_be_full(name: str) -> None:
    assert (set(BY_PROXY) <= set(FAULTS[name])) == bool(PROXIES & set(DATAPATHS[name].requires))


@EVERY
def test_all_but_a_proxy_can_be_removed_too(name: str) -> None:
    """Rules, programs or routing; a datapath that requires nothing but a proxy has none of them."""
    nothing_but_a_proxy = bool(PROXIES & set(DATAPATHS[name].requires)) and set(DATAPATHS[name].requires) <= PROXIES
    assert bool({STEERING_GONE, PART_GONE} & set(FAULTS[name])) != nothing_but_a_proxy


@EVERY
def test_a_map_can_be_emptied(name: str) -> None:
    assert bool({MAP_EMPTIED, MAP_EMPTIED_CHURN} & set(FAULTS[name])) == ("bcc" in DATAPATHS[name].requires)


@EVERY
def test_what_carries_datagrams_is_broken_while_it_does(name: str) -> None:
    """All but the routed path, beside which the others are broken."""
    carries = "udp" in DATAPATHS[name].protocols and DATAPATHS[name].role != LIMIT
    assert (DATAGRAMS_UNSTEERED in FAULTS[name]) == carries


@EVERY
def test_devices_can_be_the_wrong_ones(name: str) -> None:
    assert (WRONG_DEVICES in FAULTS[name]) == FACTS[name].names_devices
