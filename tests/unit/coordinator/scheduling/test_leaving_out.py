"""Datapaths that no host can run are left out, if the campaign asks for that."""

import pytest

from coordinator.scheduling.admission import KnownHost, admit
from coordinator.scheduling.leaving_out import without_missing
from domain.campaigns.campaign import Campaign, read_campaign
from domain.campaigns.leaving_out import left_out_text
from domain.service.jobs import HostCapabilities, Variant
from domain.values.problems import InvalidInput

LACKS = "qdisc.fq: no such qdisc."


def host(name: str = "h1", *, edt: tuple[str, ...] = (LACKS,)) -> KnownHost:
    datapaths = (
        *(Variant(name=one, function="shape") for one in ("htb", "tbf")),
        Variant(name="ebpf_edt", missing=edt),
    )
    workload = Variant(name="http_keepalive", level_kinds=("closed", "open"))
    return KnownHost(HostCapabilities(host=name, datapaths=datapaths, workloads=(workload,)), online=True)


def wanted(**change: object) -> Campaign:
    data = {"name": "x", "datapaths": ["htb", "tbf", "ebpf_edt"], "levels": {"a": "closed(4)"}}
    return read_campaign({**data, "leave_out_missing": True, **change})


def test_what_no_host_can_run_is_left_out_with_the_reason() -> None:
    found = without_missing(wanted(), [host()])
    assert found.datapaths == ("htb", "tbf")
    assert found.left_out == {"ebpf_edt": f"h1: {LACKS}"}
    assert admit(found, [host()]) == ("h1",)
    assert left_out_text(found.left_out) == f"ebpf_edt was left out, as no host can run it: h1: {LACKS}"


def test_it_is_refused_unless_the_campaign_asks_for_that() -> None:
    refused = wanted(leave_out_missing=None)
    assert without_missing(refused, [host()]) == refused
    with pytest.raises(InvalidInput, match=LACKS):
        admit(refused, [host()])


def test_what_one_host_can_run_stays() -> None:
    both = [host(), host("h2", edt=())]
    assert without_missing(wanted(), both) == wanted()
    assert without_missing(wanted(hosts=["h1"]), both).datapaths == ("htb", "tbf")


def test_what_compares_a_datapath_that_is_left_out_goes_with_it() -> None:
    campaign = wanted(reference="ebpf_edt", primary=["ebpf_edt / htb", "tbf / htb"])
    found = without_missing(campaign, [host()])
    assert (found.reference, found.reference_label, found.primary) == (None, "htb", ("tbf / htb",))


def test_a_campaign_is_not_left_without_datapaths_and_a_wrong_name_is_no_missing_one() -> None:
    alone, wrong = wanted(datapaths=["ebpf_edt"]), wanted(datapaths=["htb", "ebpf_etd"])
    assert without_missing(alone, [host()]) == alone
    assert without_missing(wrong, [host()]) == wrong
