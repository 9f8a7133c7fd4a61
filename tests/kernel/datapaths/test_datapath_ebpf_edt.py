"""The datapath ebpf_edt: its program on any kernel, and the whole datapath where the kernel has the qdisc fq."""

import ctypes
import struct
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path

import pytest

from bpf.enums import Command, ProgramType
from bpf.instance import Instance
from bpf.loader import Module
from bpf.syscall import bpf_in_place
from domain.service.jobs import Feature, HostCapabilities
from tests.kernel.datapaths.faults import (
    BY_DEVICES,
    BY_PROGRAM,
    Faults,
)
from tests.kernel.datapaths.shape_rig import assert_shapes, shaped
from tests.variants import DATAPATHS, RUNNABLE
from workers.datapaths.base import EVERY_LAB_REQUIRES, DatapathError

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

FAULTS: Faults = {
    **BY_DEVICES,
    **BY_PROGRAM,
}


@pytest.mark.parametrize("ip_version", [4, 6])
def test_it_holds_the_rate_of_each_client_or_cannot_be_attached(tmp_path: Path, ip_version: int) -> None:
    """On a kernel without the qdisc fq it must not be attached, as nothing would keep the departure times."""
    without_fq = pytest.raises(DatapathError, match="ebpf_edt") if "ebpf_edt" not in RUNNABLE else nullcontext()
    with without_fq, shaped(DATAPATHS["ebpf_edt"], tmp_path, ip_version) as (lab, attachment):
        assert_shapes(lab, attachment)


def test_a_host_without_fq_refuses_it_with_the_reason() -> None:
    names = (*EVERY_LAB_REQUIRES, *DATAPATHS["ebpf_edt"].requires)
    known = [Feature(name=name, present=True) for name in names if name != "qdisc.fq"]
    lacking = Feature(name="qdisc.fq", present=False, reason="no such qdisc.")
    host = HostCapabilities(host="h", features=(*known, lacking))
    assert DATAPATHS["ebpf_edt"].unmet_requirements(host) == ["qdisc.fq: no such qdisc."]


RATE_BYTES_PER_S, SIZE_BYTES = 1000, 1000
COST_NS = SIZE_BYTES * 10**9 // RATE_BYTES_PER_S
HORIZON_NS = 20 * COST_NS
TSTAMP_AT, CONTEXT_BYTES = 152, 192  # struct __sk_buff of include/uapi/linux/bpf.h
REDIRECT, DROP = 7, 2  # TC_ACT_REDIRECT, TC_ACT_SHOT
ORIGIN, CLIENT, MAC = bytes((198, 19, 1, 2)), bytes((198, 18, 1, 2)), bytes(6)


@pytest.fixture(scope="module")
def programs(kernel: None) -> Iterator[Instance]:
    module = Module("datapaths/ebpf_edt.c", {"CLIENTS_KEPT": 16, "IP_VERSION": 4})
    functions, maps = ["from_client", "from_origin"], ["config", "counts", "shape", "free_at"]
    with Instance(module, functions, maps, ProgramType.SCHED_CLS) as loaded:
        hop = {"address": CLIENT, "ifindex": 1, "source_mac": MAC, "destination_mac": MAC}
        loaded.write("config", 0, client=CLIENT, client_mask=b"\xff" * 4, origin=ORIGIN, to_client=hop, to_origin=hop,
                     port=struct.pack("!H", 80))  # fmt: skip
        loaded.write("shape", 0, rate_bytes_per_s=RATE_BYTES_PER_S, burst_ns=0, horizon_ns=HORIZON_NS)
        yield loaded


def segment() -> bytes:
    """A TCP segment from the origin to the client, as a frame."""
    ethernet = MAC + MAC + struct.pack("!H", 0x0800)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, SIZE_BYTES - 14, 0, 0, 64, 6, 0, ORIGIN, CLIENT)
    tcp = struct.pack("!HHIIBBHHH", 80, 4242, 1, 1, 0x50, 0x10, 1000, 0, 0)
    return (ethernet + ip + tcp).ljust(SIZE_BYTES, b"x")


def run(program: int) -> tuple[int, int]:
    """What the program returns for the segment, and the departure time that it has set."""
    frame, context = segment(), ctypes.create_string_buffer(CONTEXT_BYTES)
    data = ctypes.create_string_buffer(frame, len(frame))
    attributes = ctypes.create_string_buffer(
        struct.pack("=IIIIQQIIIIQQ", program, 0, len(frame), 0, ctypes.addressof(data), 0, 0, 0, 0, CONTEXT_BYTES, 0,
                    ctypes.addressof(context)), 80)  # fmt: skip
    bpf_in_place(Command.PROG_TEST_RUN, attributes, "a test run")
    return struct.unpack_from("=I", attributes, 4)[0], struct.unpack_from("=Q", context, TSTAMP_AT)[0]


def test_packets_of_a_client_depart_a_packets_time_apart_and_none_after_the_horizon(programs: Instance) -> None:
    found = [run(programs.programs["from_origin"]) for _ in range(200)]
    departures = [at for verdict, at in found if verdict == REDIRECT and at]
    assert len(departures) >= 15
    assert {later - earlier for earlier, later in pairwise(departures)} == {COST_NS}
    assert DROP in [verdict for verdict, _ in found]
    denied, delayed = programs.per_cpu_sums("counts")[6], programs.per_cpu_sums("counts")[8]
    assert (denied, delayed) == ([verdict for verdict, _ in found].count(DROP), len(departures))
