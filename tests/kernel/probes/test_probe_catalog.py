"""The packet and softirq probes on this kernel: each counts a known workload correctly, and nothing of another lab."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from bpf.loader import BpfError, Module
from domain.probes.sample import StageHistogram
from probes.base import Probe
from probes.catalog.forward import Forward
from probes.catalog.net_rx_softirq import NetRxSoftirq
from probes.catalog.rx_steering import RxSteering
from tests.host_noise import in_windows
from tests.kernel.probes.probe_lab import (
    ASK,
    DUT_CLIENT,
    ECHO,
    FORWARDER,
    LEAST_NS,
    RELAY,
    SERVER,
    ProbeLab,
    growth,
    probe_lab,
    stage_of,
    started,
)

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

PACKETS = 500
QUESTIONS = 300


@pytest.fixture(scope="module")
def other_lab() -> Iterator[ProbeLab]:
    with probe_lab(os.getpid()) as lab:
        yield lab


@pytest.fixture(scope="module")
def forward() -> Iterator[Probe]:
    yield from started(Forward())


@pytest.fixture(scope="module")
def rx_steering() -> Iterator[Probe]:
    yield from started(RxSteering())


@pytest.fixture(scope="module")
def net_rx_softirq() -> Iterator[Probe]:
    yield from started(NetRxSoftirq())


@in_windows
def test_forward_counts_each_packet_once(forward: Probe, lab: ProbeLab) -> None:
    before = stage_of(forward)
    forward.watch(lab.view())
    lab.spray(PACKETS)
    forward.watch(None)
    reading = forward.read()
    histogram, samples = reading.stages[""], reading.samples
    histogram = histogram.minus(before)
    assert (histogram.count, histogram.started, histogram.lost) == (PACKETS, PACKETS, 0)
    assert LEAST_NS < (histogram.percentile_ns(50) or 0) < 1_000_000
    assert histogram.sum_ns / PACKETS < histogram.max_ns < 100_000_000
    for sample in samples:
        assert 0 < sample.value_ns <= histogram.max_ns
        assert abs(sample.time_ns - time.time_ns()) < 30e9


def test_forward_counts_only_the_watched_lab(forward: Probe, lab: ProbeLab, other_lab: ProbeLab) -> None:
    before = stage_of(forward)
    forward.watch(lab.view())
    other_lab.spray(PACKETS)
    forward.watch(None)
    lab.spray(PACKETS)
    assert growth(forward, before) == StageHistogram()
    forward.watch(other_lab.view())
    other_lab.spray(PACKETS)
    assert growth(forward, before).count == PACKETS
    forward.watch(None)


def test_forward_does_not_pair_a_proxys_packets(forward: Probe, lab: ProbeLab) -> None:
    """A received packet ends in the DUT, but a packet that the proxy sends may have the same address."""
    before = stage_of(forward)
    with lab.running("server", ECHO), lab.running("dut", RELAY, SERVER) as relay:
        forward.watch(lab.view(proxy=(relay.pid,)))
        lab.run("client", ASK, DUT_CLIENT, QUESTIONS)
        forward.watch(None)
    histogram = growth(forward, before)
    assert histogram.count == 0
    assert histogram.started >= 2 * QUESTIONS
    assert histogram.lost == 0


def test_forward_does_not_pair_datagrams_that_were_made_in_the_dut(forward: Probe, lab: ProbeLab) -> None:
    """The kernel frees the received packet, and allocates the next one to be sent at the same address."""
    before = stage_of(forward)
    with lab.running("dut", FORWARDER, SERVER):
        forward.watch(lab.view())
        lab.spray(PACKETS, DUT_CLIENT)
        forward.watch(None)
    histogram = growth(forward, before)
    assert (histogram.count, histogram.started, histogram.lost) == (0, PACKETS, 0)


def test_with_track_every_a_share_of_the_packets_is_tracked_and_all_match(lab: ProbeLab) -> None:
    probe = Forward()
    probe.track_every = 4
    probe.start()
    probe.watch(lab.view())
    packets = 2000
    lab.spray(packets)
    histogram = stage_of(probe)
    probe.stop()
    share = packets / probe.track_every
    assert 0.75 * share < histogram.count < 1.25 * share
    assert histogram.started == histogram.count


def test_a_duration_that_is_too_old_is_lost_and_not_counted(lab: ProbeLab) -> None:
    class Impatient(Forward):
        constants: ClassVar[dict[str, int]] = {"MAX_AGE_NS": 1}

    probe = Impatient()
    probe.start()
    probe.watch(lab.view())
    lab.spray(PACKETS)
    histogram = stage_of(probe)
    probe.stop()
    assert (histogram.count, histogram.started, histogram.lost) == (0, PACKETS, PACKETS)


def test_a_full_ring_loses_samples_but_no_durations(lab: ProbeLab) -> None:
    class Talkative(Forward):
        sample_every = 1

    probe = Talkative()
    probe.start()
    probe.watch(lab.view())
    packets = 4000
    lab.spray(packets)
    reading = probe.read()
    histogram, samples = reading.stages[""], reading.samples
    probe.stop()
    # 64 KiB hold 2,048 records of 32 bytes.
    assert histogram.count == packets
    assert packets - 2049 <= reading.samples_lost <= packets - 2020
    assert histogram.lost == 0, "a full ring must lose the sample only, not the duration"
    assert len(list(samples)) == 1000  # the most that one reading returns


@in_windows
def test_rx_steering_counts_at_the_server_of_a_lab_without_proxy(rx_steering: Probe, lab: ProbeLab) -> None:
    before = stage_of(rx_steering)
    with lab.running("server", ECHO):
        rx_steering.watch(lab.view())
        lab.run("client", ASK, SERVER, QUESTIONS)
        rx_steering.watch(None)
    histogram = growth(rx_steering, before)
    # Each question is one packet; bare acknowledgements, SYN and FIN do not count.
    assert (histogram.count, histogram.started, histogram.lost) == (QUESTIONS, QUESTIONS, 0)
    assert LEAST_NS < (histogram.percentile_ns(50) or 0) < 1_000_000


def test_rx_steering_counts_on_both_sides_of_a_proxy(rx_steering: Probe, lab: ProbeLab) -> None:
    before = stage_of(rx_steering)
    with lab.running("server", ECHO), lab.running("dut", RELAY, SERVER) as relay:
        rx_steering.watch(lab.view(proxy=(relay.pid,)))
        lab.run("client", ASK, DUT_CLIENT, QUESTIONS)
        rx_steering.watch(None)
    histogram = growth(rx_steering, before)
    assert (histogram.count, histogram.started) == (2 * QUESTIONS, 2 * QUESTIONS)


def test_rx_steering_sees_no_other_lab(rx_steering: Probe, lab: ProbeLab, other_lab: ProbeLab) -> None:
    before = stage_of(rx_steering)
    with other_lab.running("server", ECHO):
        rx_steering.watch(lab.view())
        other_lab.run("client", ASK, SERVER, QUESTIONS)
        rx_steering.watch(None)
    assert growth(rx_steering, before) == StageHistogram()


def test_rx_steering_does_not_count_forwarded_packets(rx_steering: Probe, lab: ProbeLab) -> None:
    """These packets reach tcp_probe at the server, which the probe does not watch in a lab with a proxy."""
    before = stage_of(rx_steering)
    with lab.running("server", ECHO):
        rx_steering.watch(lab.view(proxy=(1,)))
        lab.run("client", ASK, SERVER, QUESTIONS)
        rx_steering.watch(None)
    histogram = growth(rx_steering, before)
    assert (histogram.count, histogram.lost) == (0, 0)
    assert histogram.started >= 2 * QUESTIONS


@in_windows
def test_net_rx_softirq_counts_while_a_lab_is_watched(net_rx_softirq: Probe, lab: ProbeLab) -> None:
    before = stage_of(net_rx_softirq)
    with lab.running("server", ECHO):
        net_rx_softirq.watch(lab.view())
        lab.run("client", ASK, SERVER, QUESTIONS)
        net_rx_softirq.watch(None)
        histogram = growth(net_rx_softirq, before)
        # A question and its answer each cross several devices. Each of the two causes at least one run.
        assert histogram.count >= 2 * QUESTIONS
        assert histogram.count <= histogram.started
        assert histogram.matched is not None
        assert histogram.matched > 0.98
        assert LEAST_NS < (histogram.percentile_ns(50) or 0) < 10_000_000
        lab.run("client", ASK, SERVER, QUESTIONS)
    assert growth(net_rx_softirq, before) == histogram


def test_the_maximum_is_reset_when_another_lab_is_watched(forward: Probe, lab: ProbeLab) -> None:
    forward.watch(lab.view())
    lab.spray(PACKETS)
    assert stage_of(forward).max_ns > 0
    forward.watch(lab.view())
    assert stage_of(forward).max_ns == 0
    forward.watch(None)


def test_a_stopped_probe_leaves_no_program_behind() -> None:
    probe = Forward()
    probe.start()
    probe.start()  # harmless
    fds = programs()
    probe.stop()
    probe.stop()  # harmless
    assert fds >= 2
    assert programs() == fds - 2


def test_a_source_whose_second_program_fails_leaves_nothing_attached(tmp_path: Path) -> None:
    source = tmp_path / "half.c"
    source.write_text("""
        RAW_TRACEPOINT_PROBE(sched_switch) { return 0; }
        RAW_TRACEPOINT_PROBE(softirq_entry) { return *(int *)ctx->args[0]; }
    """)
    before = programs()
    with pytest.raises(BpfError, match="softirq_entry"):
        Module(str(source))
    assert programs() == before


def programs() -> int:
    """How many BPF programs this process holds."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # closed meanwhile
            found.append(os.readlink(f"/proc/self/fd/{fd}"))
    return found.count("anon_inode:bpf-prog")
