"""A ring buffer that overflows: every sample without room is counted as lost, with its cause, and reported."""

import os

import pytest

from domain.probes.sample import TrialTags
from domain.probes.telemetry import LossCause
from probes._fake import FakeSink
from probes.catalog.forward import Forward
from probes.session import ProbeSession
from probes.stream.stream import Stream
from tests.host_noise import in_windows
from tests.kernel.probes.probe_lab import probe_lab

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

PACKETS = 3000
RING_SAMPLES = 64 * 1024 // 32  # of 24 bytes each, behind a header of 8


class EachOne(Forward):
    """Measures every packet and keeps a sample of each."""

    track_every = sample_every = 1


@in_windows
def test_samples_without_room_in_the_ring_buffer_are_reported_as_lost() -> None:
    probe, sink = EachOne(), FakeSink()
    stream = Stream(sink, threaded=False)
    session = ProbeSession({"forward": probe}, stream, "h1", interval_s=3600, windowed=False)
    tags = TrialTags("k3f9x2ab", "b1-1-0", "h1", "direct", "bulk", "low")
    try:
        assert session.start(["forward"]) == {}
        with probe_lab(os.getpid()) as lab:
            session.begin_slice(lab.view(), tags)
            lab.spray(PACKETS)
            (growth,) = session.end_slice().stages.values()
            lost = stream.account().losses[LossCause.RING_BUFFER]
            session.begin_slice(lab.view(), tags)
            lab.spray(100)
            session.end_slice()
    finally:
        session.close()
    account = stream.close()
    assert growth.count >= PACKETS, "the histogram must have all durations"
    assert growth.lost == 0
    assert growth.count - RING_SAMPLES <= lost <= growth.count - RING_SAMPLES + 2
    assert account.losses == {LossCause.RING_BUFFER: lost}, "each lost sample must count once"
    assert account.produced == account.delivered + lost
    assert "ring buffer" in account.missing
    shown = [line for line in sink.lines if line.startswith("telemetry,")]
    assert f"lost_ring_buffer={lost}i" in shown[-1]
