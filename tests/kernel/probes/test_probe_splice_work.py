"""The splice_work probe on this kernel, with a proxy that splices two sockets by a socket map."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.probes.sample import StageHistogram
from probes.base import Probe, ProbeError
from probes.catalog import splice_work
from probes.catalog.splice_work import SpliceWork, address_of
from tests.host_noise import in_windows
from tests.kernel.probes.probe_lab import (
    ASK,
    DUT_CLIENT,
    ECHO,
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

QUESTIONS = 300

# Data for the port that the proxy listens on goes to the origin's socket, other data to the client's.
SPLICE_C = """
#include <uapi/linux/bpf.h>
static int (*redirect)(void *skb, void *map, u32 index, u64 flags) = (void *)BPF_FUNC_sk_redirect_map;
int splice(struct __sk_buff *skb)
{
    return redirect(skb, (void *)bpf_pseudo_fd(1, SOCKETS), skb->local_port == 9001, 0);
}
"""

SPLICE = """
import ctypes, socket, struct, sys, tempfile, time
from bpf.enums import AttachType, MapType, ProgramType
from bpf.instance import MapShape, create_map, write_entry
from bpf.loader import Module
from bpf.sockmap import attach_to_map
sockets = create_map("sockets", MapShape(MapType.SOCKMAP, 4, 4, 2, 0))
with tempfile.NamedTemporaryFile("w", suffix=".c") as source:
    source.write(sys.argv[2])
    source.flush()
    module = Module(source.name, {"SOCKETS": sockets})
attach_to_map(module.load("splice", ProgramType.SK_SKB), sockets, AttachType.SK_SKB_STREAM_VERDICT)
l = socket.create_server(("0.0.0.0", 9001))
print("ready", flush=True)
while True:
    c, _ = l.accept()
    s = socket.create_connection((sys.argv[1], 9001))
    for index, one in enumerate((c, s)):
        write_entry(sockets, index, ctypes.create_string_buffer(struct.pack("=I", one.fileno()), 4))
    c.send(b"x")
    while c.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == bytes([1]):  # established
        time.sleep(0.01)
"""

ASK_SPLICED = """
import socket, sys
s = socket.create_connection((sys.argv[1], 9001))
assert s.recv(1) == b"x"  # the sockets are spliced
for _ in range(int(sys.argv[2])):
    s.sendall(b"question")
    assert s.recv(100) == b"question"
"""


@pytest.fixture(scope="module")
def splice() -> Iterator[Probe]:
    yield from started(SpliceWork())


@in_windows
def test_each_question_and_each_answer_is_work_once(splice: Probe, lab: ProbeLab) -> None:
    before = {role: stage_of(splice, role) for role in ("queued", "run")}
    with lab.running("server", ECHO), lab.running("dut", SPLICE, SERVER, SPLICE_C) as proxy:
        splice.watch(lab.view(proxy=(proxy.pid,)))
        lab.run("client", ASK_SPLICED, DUT_CLIENT, QUESTIONS)
        splice.watch(None)
    for role, stage in before.items():
        found = growth(splice, stage, role)
        # Work that finds the other socket busy is queued again, so there may be a few more.
        assert 2 * QUESTIONS <= found.count <= 2.1 * QUESTIONS + 5, role
        assert found.started - found.count <= 1, role
        assert found.lost == 0, role
        assert LEAST_NS < (found.percentile_ns(50) or 0) < 5_000_000, role


def test_it_sees_no_other_lab_and_no_other_work(splice: Probe, lab: ProbeLab) -> None:
    before = {role: stage_of(splice, role) for role in ("queued", "run")}
    with probe_lab(os.getpid()) as other:
        with other.running("server", ECHO), other.running("dut", SPLICE, SERVER, SPLICE_C):
            splice.watch(lab.view(proxy=(1,)))
            other.run("client", ASK_SPLICED, DUT_CLIENT, 50)
        with lab.running("server", ECHO), lab.running("dut", RELAY, SERVER):
            lab.run("client", ASK, DUT_CLIENT, 50)
        splice.watch(None)
    for role, stage in before.items():
        assert growth(splice, stage, role) == StageHistogram(), role


def test_a_kernel_without_socket_maps_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    symbols = tmp_path / "kallsyms"
    monkeypatch.setattr(splice_work, "KALLSYMS", symbols)
    with pytest.raises(ProbeError, match="kallsyms"):
        SpliceWork().start()
    symbols.write_text("ffffffff81000000 T _stext\n")
    with pytest.raises(ProbeError, match="no sk_psock_backlog"):
        SpliceWork().start()
    symbols.write_text("0000000000000000 t sk_psock_backlog\n")
    with pytest.raises(ProbeError, match="kptr_restrict"):
        SpliceWork().start()
    symbols.write_text("ffffffff81000010 t sk_psock_backlog\t[kernel]\n")
    assert address_of("sk_psock_backlog") == 0xFFFFFFFF81000010
