"""The tests of known workloads detect wrong pairing: each fault here makes one of them fail.

The test puts a fault into a copy of a probe's C source. The fault keeps a start after its end was found, or removes a
check against pairing with unrelated events.
"""

from collections.abc import Callable
from functools import partial
from inspect import unwrap
from pathlib import Path

import pytest

from bpf.loader import ROOT
from probes.base import Probe
from probes.catalog.forward import Forward
from probes.catalog.net_rx_softirq import NetRxSoftirq
from probes.catalog.proxy_residence import ProxyResidence
from probes.catalog.run_queue import RunQueue
from probes.catalog.socket_wait import SocketWait
from probes.catalog.splice_work import SpliceWork
from probes.catalog.work import Work
from probes.tracing import TracingProbe
from tests.kernel.probes import (
    test_probe_catalog,
    test_probe_proxy_residence,
    test_probe_run_queue,
    test_probe_socket_wait,
    test_probe_splice_work,
    test_probe_work,
)
from tests.kernel.probes.probe_lab import ProbeLab

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

Check = Callable[[Probe, ProbeLab], None]

FAULTS: dict[str, tuple[type[TracingProbe], str, str, Check]] = {
    "run_queue keeps a start that ended": (
        RunQueue,
        "	queued->time_ns = 0;\n}",
        "}",
        unwrap(test_probe_run_queue.test_run_queue_counts_each_wakeup_of_the_labs_tasks),
    ),
    "net_rx_softirq keeps a start that ended": (
        NetRxSoftirq,
        "	run->raised.time_ns = 0;\n",
        "",
        test_probe_catalog.test_net_rx_softirq_counts_while_a_lab_is_watched,
    ),
    "proxy_residence keeps a start that ended": (
        ProxyResidence,
        "	other->sk = 0;\n	place->sk = 0;\n",
        "",
        test_probe_proxy_residence.test_data_that_is_sent_twice_counts_once,
    ),
    "proxy_residence pairs any two events in sequence": (
        test_probe_proxy_residence.EverySample,
        '#include "buffers.h"\n',
        '#include "buffers.h"\n#define user_buffer() 4096\n',
        partial(
            unwrap(test_probe_proxy_residence.test_data_of_concurrent_connections_is_paired_by_connection),
            style="send",
            order="queue",
        ),
    ),
    "socket_wait keeps a start that ended": (
        SocketWait,
        "!read_unread(sk, state, &data)) {\n		unread->sk = 0;\n",
        "!read_unread(sk, state, &data)) {\n",
        test_probe_socket_wait.test_each_question_and_each_answer_waits_once,
    ),
    "splice_work counts other work": (
        SpliceWork,
        "	if (bpf_probe_read_kernel(&function, sizeof(function), (void *)address + WORK_FUNCTION) || "
        "function != BACKLOG)\n		return -1;",
        "	if (cfg)\n		return DUT_SIDE;",
        test_probe_splice_work.test_it_sees_no_other_lab_and_no_other_work,
    ),
    "work forgets the tables that had no route": (
        Work,
        "missed->count = lookups;",
        "missed->count = 0;",
        test_probe_work.test_a_lookup_in_several_tables_counts_for_each,
    ),
    "work identifies a dropped packet by its device only": (
        Work,
        "#if KFREE_SKB_HAS_SOCKET",
        "#if 0",
        test_probe_work.test_drops_in_tcp_count_without_a_device,
    ),
    "forward pairs with packets that the DUT made": (
        Forward,
        " || !ingress)\n		return 0;",
        ")\n		return 0;\n	if (!ingress)\n		ingress = cfg->device[0].ifindex;",
        test_probe_catalog.test_forward_does_not_pair_datagrams_that_were_made_in_the_dut,
    ),
}


# Whether another packet gets a freed packet's address depends on chance: the two may be on different CPUs.
TRIES = 5


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_pairing_fails_the_probes_test(fault: str, lab: ProbeLab, tmp_path: Path) -> None:
    sound, text, broken, check = FAULTS[fault]
    whole = (ROOT / "probes" / f"{sound.name}.c").read_text()
    assert whole.count(text) == 1, "the C source has changed; adapt the fault"
    copy = tmp_path / f"{sound.name}.c"
    copy.write_text(whole.replace(text, broken))

    class Broken(sound):  # type: ignore[misc, valid-type]
        source = str(copy)

    probe = Broken()
    probe.start()
    try:
        assert any(fails(check, probe, lab) for _ in range(TRIES)), f"{check} passed {TRIES} times despite the fault"
    finally:
        probe.stop()


def fails(check: Check, probe: Probe, lab: ProbeLab) -> bool:
    try:
        unwrap(check)(probe, lab)  # without its windows: host noise would only repeat what fails anyway
    except AssertionError:
        return True
    return False
