"""Every discovered probe and the fake meet the contract. Tests with traffic are in tests/kernel."""

import contextlib
import os
import re
from collections import Counter
from pathlib import Path

import pytest

import probes.catalog
from bpf.loader import ROOT, SOURCE_DIRS, source_path
from domain.probes.sample import StageHistogram
from domain.service.jobs import Feature, HostCapabilities, Variant
from domain.values.registry import discover
from probes._fake import FakeProbe
from probes.base import LabView, Probe, ProbeError, Reading
from probes.tracing import FEATURES, SIDES, TracingProbe, tracepoints_of
from workers.agent.capabilities import probe_facts

PROBES = discover(probes.catalog, Probe)
VIEW = LabView(
    "lab",
    {
        role: (number + 2, f"contract{number}")
        for number, role in enumerate(("client", "dut_client", "dut_server", "server"))
    },
    {"client": 1, "dut": 2, "server": 3},
    {"proxy": (), "origin": ()},
)


@pytest.fixture(params=sorted(PROBES))
def probe(request: pytest.FixtureRequest) -> Probe:
    return PROBES[request.param]


def test_the_catalog_holds_at_least_the_promised_probes() -> None:
    assert {"run_queue", "rx_steering", "forward", "net_rx_softirq"} <= set(PROBES)
    assert {"proxy_residence", "splice_work", "work"} <= set(PROBES)
    assert {"device_hop", "qdisc", "notify", "socket_wait", "connect"} <= set(PROBES)


def test_one_name_everywhere(probe: Probe) -> None:
    assert probe.stage == probe.name
    assert source_path(f"probes/{probe.name}.c").is_file()
    assert re.fullmatch(r"[a-z][a-z0-9_]*", probe.name)
    assert probe.unit == "ns"
    assert 20 < len(probe.summary) < 200


def test_its_place_names_existing_roles_and_stages(probe: Probe) -> None:
    assert isinstance(probe, TracingProbe)
    if probe.place is None:
        return
    assert {*probe.place.within, *probe.place.host_roles} <= {*probe.roles, *SIDES, ""}
    for outer in probe.place.within.values():
        container = PROBES[outer.stage]
        assert isinstance(container, TracingProbe)
        assert outer.role in container.roles
        assert container.place is not None


def test_a_place_is_the_same_after_it_was_sent_to_the_coordinator(probe: Probe) -> None:
    variant = Variant(name=probe.name, **probe_facts(probe))
    assert Variant.model_validate_json(variant.model_dump_json()).place == probe.place


def test_each_c_source_has_a_probe() -> None:
    assert {path.stem for directory in SOURCE_DIRS for path in (directory / "probes").glob("*.c")} == set(PROBES)


def test_c_sources_are_licensed_and_dereference_no_kernel_structure() -> None:
    sources = [path for directory in SOURCE_DIRS for path in (directory / "probes").glob("*.c")]
    for path in [*sources, *(ROOT / "include").glob("*.h")]:
        text = path.read_text()
        assert "SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause" in text.splitlines()[0], path
        assert not re.search(r"struct (sk_buff|sock|net_device|task_struct|net)\b", text), path


def test_each_step_of_a_probe_is_written_once() -> None:
    """A probe reads its configuration, and writes its stages and samples, through the shared headers."""
    for path in (ROOT / "probes").glob("*.c"):
        text = path.read_text()
        assert not re.search(r"\b(watch|stage|samples)\.(lookup|ringbuf_output)\b", text), path
        assert "__attribute__" not in text, path


def test_a_probe_sees_an_ip_version(probe: Probe) -> None:
    assert probe.ip_versions
    assert probe.ip_versions <= {4, 6}


def test_a_host_lacks_exactly_the_features_that_are_absent(probe: Probe) -> None:
    needed = probe.features if isinstance(probe, TracingProbe) else FEATURES
    everything = [Feature(name=name, present=True) for name in needed]
    assert probe.unmet_requirements(HostCapabilities(host="h", features=tuple(everything))) == []
    for absent in needed:
        without = Feature(name=absent, present=False, reason="It is not there.", remedy="Install it.")
        others = [feature for feature in everything if feature.name != absent]
        sentences = probe.unmet_requirements(HostCapabilities(host="h", features=(*others, without)))
        assert sentences == [f"{absent}: It is not there. Install it."]
    assert len(probe.unmet_requirements(HostCapabilities(host="h"))) == len(needed)


def test_a_probe_that_was_not_started_refuses_and_stops_harmlessly(probe: Probe) -> None:
    probe.stop()
    with pytest.raises(ProbeError):
        probe.read()
    with pytest.raises(ProbeError):
        probe.watch(None)
    probe.stop()


def is_empty(reading: Reading) -> bool:
    return set(reading.stages.values()) <= {StageHistogram()} and not any(reading.work.values()) and not reading.samples


def test_the_life_of_the_fake() -> None:
    probe = FakeProbe()
    for _ in range(2):
        probe.start()
        assert is_empty(probe.read())
        probe.watch(VIEW)
        probe.watch(None)
        assert probe.read() == probe.read()
        probe.stop()


@pytest.mark.kernel
@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("name", sorted(PROBES))
def test_it_starts_watches_and_stops_twice(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    """A probe loads without output of the compiler or the verifier, watches, reads, stops, and starts again.

    It attaches its programs while it watches a lab, and leaves nothing behind.
    """
    probe = PROBES[name]
    assert isinstance(probe, TracingProbe)
    tracepoints = tracepoints_of(probe.source)
    assert len(set(tracepoints)) == len(tracepoints) >= 1
    before = descriptors()
    for _ in range(2):
        probe.start()
        assert is_empty(probe.read())
        loaded = descriptors() - before
        assert (loaded["anon_inode:bpf-prog"], links(loaded)) == (len(tracepoints), 0)
        probe.watch(VIEW)
        assert links(descriptors() - before) == len(tracepoints)
        probe.watch(VIEW, accept=False)
        assert links(descriptors() - before) == len(tracepoints)
        probe.watch(None)
        assert descriptors() - before == loaded
        probe.read()  # takes the samples that a host-wide probe took of other processes' packets
        assert probe.read() == probe.read()
        probe.watch(VIEW)
        probe.stop()
        assert descriptors() == before
    assert capfd.readouterr() == ("", "")


def descriptors() -> Counter[str]:
    """The open files of this process, by kind."""
    found: Counter[str] = Counter()
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found[os.readlink(f"/proc/self/fd/{fd}")] += 1
    return Counter({kind: count for kind, count in found.items() if "/proc/" not in kind})


def links(found: Counter[str]) -> int:
    return sum(count for kind, count in found.items() if "link" in kind or "raw-tracepoint" in kind)


@pytest.mark.kernel
@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("name", ["forward", "rx_steering"])
def test_an_invalid_device_name_is_refused(name: str) -> None:
    probe = PROBES[name]
    probe.start()
    try:
        for bad in ("", "sixteen-bytes-ab"):
            devices = dict.fromkeys(VIEW.devices, (1, bad))
            with pytest.raises(ProbeError, match="no device name"):
                probe.watch(LabView("lab", devices, VIEW.netns, VIEW.tasks))
    finally:
        probe.stop()


def test_root_is_the_directory_of_the_c_sources() -> None:
    assert Path(ROOT / "include" / "probe.h").is_file()
