"""Several probes on the same tracepoints: the chain attaches one program to each, and every probe counts correctly."""

import pytest

from bpf.chain import GATES, Chain, Hook
from bpf.loader import BpfError
from probes.catalog.forward import Forward
from probes.catalog.rx_steering import RxSteering
from tests.kernel.probes.probe_lab import ASK, ECHO, SERVER, ProbeLab, stage_of

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

QUESTIONS = 200


def test_probes_in_one_chain_count_as_they_do_alone(lab: ProbeLab) -> None:
    forward, steering = Forward(), RxSteering()
    try:
        for probe in (forward, steering):
            probe.start()
        chain = Chain([*forward.take_hooks(), *steering.take_hooks()])
        view = lab.view()
        with lab.running("server", ECHO):
            for probe in (forward, steering):
                probe.watch(view)
            lab.run("client", ASK, SERVER, QUESTIONS)
            assert stage_of(forward).started == 0  # its hooks were taken, and are not attached yet
            chain.attach()
            assert chain.attached == {"netif_receive_skb", "net_dev_start_xmit", "tcp_probe"}
            lab.run("client", ASK, SERVER, QUESTIONS)
            chain.detach(keep={"tcp_probe"})
            assert chain.attached == {"tcp_probe"}
            chain.close()
            lab.run("client", ASK, SERVER, QUESTIONS)
        # Questions and answers carry payload through the DUT; only questions arrive at the server.
        assert (stage_of(forward).count, stage_of(forward).started) == (2 * QUESTIONS, 2 * QUESTIONS)
        assert (stage_of(steering).count, stage_of(steering).started) == (QUESTIONS, QUESTIONS)
    finally:
        forward.stop()
        steering.stop()


def test_a_closed_gate_passes_no_event_and_an_open_one_passes_all(lab: ProbeLab) -> None:
    forward, steering = Forward(), RxSteering()
    try:
        for probe in (forward, steering):
            probe.start()
        chain = Chain([*forward.take_hooks(), *steering.take_hooks()], gated=True)
        view = lab.view()
        with lab.running("server", ECHO):
            for probe in (forward, steering):
                probe.watch(view)
            chain.attach()
            assert chain.attached == {"netif_receive_skb", "net_dev_start_xmit", "tcp_probe"}
            lab.run("client", ASK, SERVER, QUESTIONS)
            assert (stage_of(forward).started, stage_of(steering).started) == (0, 0)
            for passed in (1, 2):
                chain.turn(is_open=True)
                lab.run("client", ASK, SERVER, QUESTIONS)
                chain.turn(is_open=False)
                lab.run("client", ASK, SERVER, QUESTIONS)
                counts = [(stage.started, stage.count) for stage in (stage_of(forward), stage_of(steering))]
                assert counts == [(2 * passed * QUESTIONS,) * 2, (passed * QUESTIONS,) * 2]
        chain.close()
    finally:
        forward.stop()
        steering.stop()


def test_a_gate_refuses_more_tracepoints_than_it_has_room_for() -> None:
    with pytest.raises(BpfError, match=f"room for {GATES} tracepoints"):
        Chain([Hook(f"t{number}", 0, 0, 0) for number in range(GATES + 1)], gated=True)


def test_a_packet_that_comes_after_the_window_is_not_counted(lab: ProbeLab) -> None:
    probe = Forward()
    probe.start()
    try:
        view = lab.view()
        probe.watch(view)
        lab.spray(QUESTIONS)
        assert probe.pending().started == QUESTIONS
        assert probe.pending().unended == 0
        assert probe.pending().longest_ns == stage_of(probe).max_ns > 0
        probe.watch(view, accept=False)
        lab.spray(QUESTIONS)
        assert (stage_of(probe).count, stage_of(probe).started) == (QUESTIONS, QUESTIONS)
        probe.watch(view)
        assert probe.pending().started == 0
        lab.spray(QUESTIONS)
        assert stage_of(probe).count == 2 * QUESTIONS
    finally:
        probe.stop()
