"""Which protocols and IP versions a campaign may ask for; what a host does not state is TCP over IPv4."""

from collections.abc import Mapping

import pytest

from coordinator.scheduling.admission import KnownHost, admit
from domain.campaigns.campaign import Campaign
from domain.hosts.placement import CPU_PLACEMENT
from domain.service.jobs import HostCapabilities, Variant
from domain.values.problems import InvalidInput

KINDS = ("open", "closed")
TCP = Variant(name="http", level_kinds=KINDS, protocols=("tcp",))
UDP = Variant(name="udp_rr", level_kinds=KINDS, protocols=("udp",))
OLD = Variant(name="old_http", level_kinds=KINDS)  # from before workloads had protocols
STATED = {"protocols": ("tcp", "udp"), "ip_versions": (4, 6)}


FACTS: dict[str, str] = {}


def problems(
    workload: Variant, level: str = "closed(8)", facts: Mapping[str, str] = FACTS, **datapath: object
) -> dict[str, str]:
    """What is wrong with one workload at one level on a datapath that states these fields, on a host with ``facts``."""
    known = Variant.model_validate({"name": "old", "function": "forward", **datapath})
    host = HostCapabilities(host="h1", datapaths=(known,), workloads=(workload,), fingerprint=dict(facts))
    campaign = Campaign.model_validate(
        {"name": "c", "datapaths": ["old"], "workloads": [workload.name], "levels": {"low": level}}
    )
    try:
        assert admit(campaign, [KnownHost(host, online=True)]) == ("h1",)
    except InvalidInput as refused:
        return {problem.field: problem.message for problem in refused.problems}
    return {}


@pytest.mark.parametrize("workload", [TCP, OLD])
@pytest.mark.parametrize("fields", [{}, {"protocols": (), "ip_versions": ()}, STATED])
def test_tcp_over_ipv4_is_admitted_whether_stated_or_not(workload: Variant, fields: dict[str, object]) -> None:
    assert problems(workload, **fields) == {}


def test_unstated_protocols_are_taken_for_tcp() -> None:
    assert problems(UDP) == {
        "workloads.0": "udp_rr sends UDP, which is not carried by old (the worker of h1 states no protocols, "
        "so TCP is assumed; update Showdown on h1); leave out udp_rr, or those datapaths"
    }
    assert problems(UDP, **STATED) == {}


def test_an_unstated_workload_is_taken_for_tcp() -> None:
    assert problems(OLD, protocols=("udp",)) == {
        "workloads.0": "old_http sends TCP, which is not carried by old (it carries UDP); "
        "leave out old_http, or those datapaths"
    }


def test_unstated_ip_versions_are_taken_for_ipv4() -> None:
    assert problems(TCP, "closed(8) under ipv6", ip_versions=()) == {
        "levels.low": "IPv6 is not carried by old (the worker of h1 states no IP versions, so IPv4 is assumed; "
        "update Showdown on h1); leave out the condition, or those datapaths"
    }
    # A message without the field gets the model's default, which is the same assumption.
    assert "IPv6 is not carried by old" in problems(TCP, "closed(8) under ipv6")["levels.low"]
    assert problems(TCP, "closed(8) under ipv6", **STATED) == {}


def test_a_datapath_that_carries_http_only_is_offered_nothing_else() -> None:
    echo = Variant(name="tcp_rr", level_kinds=KINDS, protocols=("tcp",), services=("tcp",))
    chat = Variant(name="llm_chat", level_kinds=KINDS, protocols=("tcp",), services=("http",))
    only = {**STATED, "services": ("http",)}
    assert problems(chat, **only) == {}
    assert problems(echo, **STATED) == {}
    assert problems(echo, **only) == {
        "workloads.0": "tcp_rr sends TCP, which is not carried by old (it carries HTTP); "
        "leave out tcp_rr, or those datapaths"
    }


@pytest.mark.parametrize("workload", [TCP, OLD])
def test_what_concerns_datagrams_needs_a_workload_that_sends_them(workload: Variant) -> None:
    assert problems(workload, "closed(8) under udp_gso", **STATED) == {
        "levels.low": f"udp_gso concerns datagrams, and {workload.name} sends none; "
        "leave out the condition, or those workloads"
    }
    assert problems(UDP, "closed(8) under udp_gso", **STATED) == {}


def test_proxies_get_no_more_cpus_than_the_dut_of_a_host_is_known_to_have() -> None:
    facts = {CPU_PLACEMENT: "generator on 0; DUT on 1-2; origin on 3"}
    assert problems(TCP, "closed(8) under proxy_cpus(2)", facts) == {}
    assert problems(TCP, "closed(8) under proxy_cpus(3)", facts) == {
        "levels.low": "the DUT of h1 has 2 CPUs; ask for proxy_cpus(2) at most"
    }
    assert problems(TCP, "closed(8) under proxy_cpus(64)") == {}, "an old worker does not say; its lab refuses"
