"""The sentences about features that a host lacks."""

from domain.service.jobs import Feature, HostCapabilities
from workers.inventory.features import TRIES


def host(*features: Feature) -> HostCapabilities:
    return HostCapabilities(host="h", features=features)


def test_what_is_present_is_not_mentioned() -> None:
    assert host(Feature(name="bcc", present=True)).lacking("bcc") == []


def test_what_is_absent_is_a_sentence_with_reason_and_remedy() -> None:
    absent = Feature(name="nft.tproxy", present=False, reason="no such rule.", remedy="Run: modprobe nft_tproxy")
    assert host(absent).lacking("nft.tproxy") == ["nft.tproxy: no such rule. Run: modprobe nft_tproxy"]


def test_what_was_never_probed_counts_as_absent() -> None:
    assert host().lacking("bcc", "veth") == ["bcc: not known on this host.", "veth: not known on this host."]


def test_without_root_nothing_else_is_said() -> None:
    root = Feature(name="root", present=False, reason="needed.", remedy="Run as root.")
    other = Feature(name="veth", present=False, reason="cannot be tried without root.")
    assert host(root, other).lacking("root", "veth") == ["root: needed. Run as root."]


def test_each_feature_is_tried_once_and_has_a_remedy() -> None:
    names = [one.name for one in TRIES]
    assert len(names) == len(set(names))
    assert all(one.remedy for one in TRIES)
