"""Every probe of the catalog sees the traffic of both IP versions, or declares which version it does not see."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

import probes.catalog
from domain.probes.sample import TrialTags
from domain.probes.watched import Watched
from domain.values.registry import discover
from probes.base import Probe
from probes.session import ProbeSession
from tests.kernel.bench import Bench, bench
from tests.variants import DATAPATHS

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

# Together they have every stage: one forwards packets, one has a proxy, and one splices in the kernel.
LABELS = ("direct", "tproxy", "ebpf_sockmap")
CONNECTIONS, REQUESTS = 10, 10
SELDOM = 10  # an event that happens less often with one version need not happen with the other
OF_THE_HOST = ("kworker", "ksoftirqd")
"""Roles of threads that work for other programs, too: their counts depend on what these do."""
PROBES = discover(probes.catalog, Probe)

Seen = Mapping[str, float]


Everything = Mapping[int, tuple[Seen, Mapping[str, set[str]]]]
"""What all probes saw, by IP version."""


@pytest.fixture(scope="module")
def everything(kernel: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everything]:
    """The probes are compiled once: their session watches the traffic of both versions."""
    session = ProbeSession(PROBES, None, "h1", windowed=False)
    try:
        assert session.start(PROBES) == {}
        yield {version: seen_by(session, version, tmp_path_factory.mktemp("registers")) for version in (4, 6)}
    finally:
        session.close()


def seen_by(session: ProbeSession, ip_version: int, directory: Path) -> tuple[Seen, Mapping[str, set[str]]]:
    """What all probes saw of the version's traffic, by stage and role or kind of work; why stages were absent."""
    found: dict[str, float] = {}
    absent: dict[str, set[str]] = {name: set() for name in PROBES}
    for label in LABELS:
        with bench(DATAPATHS[label], directory / label, ip_version) as b:
            seen = traffic(session, b, label)
        assert session.failed == {}
        for key, histogram in seen.stages.items():
            found[f"{key.stage} {key.role}"] = found.get(f"{key.stage} {key.role}", 0) + histogram.count
        for kind, count in seen.work.items():
            found[f"work {kind}"] = found.get(f"work {kind}", 0) + count
        for stage, why in seen.absent.items():
            absent[stage].add(why)
    return found, absent


def traffic(session: ProbeSession, b: Bench, label: str) -> Watched:
    lab = replace(b.lab.view(), bypassed_stages=DATAPATHS[label].bypassed_stages)
    session.begin_slice(lab, TrialTags("k3f9x2ab", "b1-1-0", "h1", label, "w", "low"))
    assert sum(b.get(REQUESTS) for _ in range(CONNECTIONS)) == CONNECTIONS * REQUESTS
    return session.end_slice()


@pytest.mark.parametrize("ip_version", [4, 6])
@pytest.mark.parametrize("name", sorted(PROBES))
def test_a_probe_sees_the_version_or_declares_that_it_does_not(
    name: str, ip_version: int, everything: Everything
) -> None:
    found, absent = everything[ip_version]
    if ip_version in PROBES[name].ip_versions:
        assert any(count for key, count in found.items() if key.startswith(f"{name} ")), found
        assert not any("IPv" in why for why in absent[name])
    else:
        assert absent[name] == {f"the probe does not see IPv{ip_version}"}
        assert not any(key.startswith(f"{name} ") for key in found)


def test_both_versions_have_the_same_stages_and_work(everything: Everything) -> None:
    """A figure of 0 would be false if the kernel does the work."""
    seen = {version: found for version, (found, _) in everything.items()}
    both = {name for name, probe in PROBES.items() if probe.ip_versions == {4, 6}}
    for one, other in ((4, 6), (6, 4)):
        often = {
            key
            for key, count in seen[one].items()
            if count > SELDOM and key.split()[0] in both and not key.endswith(OF_THE_HOST)
        }
        missing = {key for key in often if not seen[other].get(key) and not key.startswith("work drops_")}
        assert missing == set(), f"seen with IPv{one} and not with IPv{other}"


def test_with_both_versions_each_request_and_answer_passes_the_proxy_once(everything: Everything) -> None:
    for version, (found, _) in everything.items():
        for role in ("to_origin", "to_client"):
            # HAProxy forwards each question and each answer once; it may split the last answers in two.
            assert CONNECTIONS * REQUESTS <= found[f"proxy_residence {role}"] <= 1.2 * CONNECTIONS * REQUESTS, version
        assert found["work fib_lookups_dut"] >= CONNECTIONS * REQUESTS, version
