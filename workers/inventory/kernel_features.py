"""Tries what this kernel can do: loads programs, makes rules and devices in an anonymous namespace.

Nothing is left behind. Every function raises an exception if the kernel refuses;
workers/inventory/features.py turns it into a sentence.
"""

import ctypes
import errno
import os
import platform
import socket
import struct
from pathlib import Path

from pyroute2 import IPRoute

from bpf.btf import BtfError, function_id
from bpf.enums import AttachType, MapType, ProgramType
from bpf.instance import MapShape, create_map, load_program
from bpf.links import attach_link, attach_raw_tracepoint
from bpf.loader import BpfError, Module
from bpf.sockmap import attach_to_map
from workers.inventory.refused import Refused
from workers.lab import cgroups, netns

_RETURN_0 = struct.pack("=BBhiBBhi", 0xB7, 0, 0, 0, 0x95, 0, 0, 0)  # r0 = 0; exit
RETURN_1 = struct.pack("=BBhiBBhi", 0xB7, 0, 0, 1, 0x95, 0, 0, 0)  # r0 = 1; exit
_HELPERS = {
    "sk_assign": 124,
    "redirect_neigh": 152,
    "redirect_peer": 155,
    "skc_lookup_tcp": 99,
    "skb_set_tstamp": 192,
    "tcp_raw_gen_syncookie_ipv4": 204,
}  # enum bpf_func_id

_IP_VS_SO_GET_VERSION = 64 + 1024 + 64  # include/uapi/linux/ip_vs.h
_TCP_ULP = 31
_PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241}


def bcc() -> None:
    """BCC can be imported, finds the kernel headers, and compiles."""
    Module("minimal.c").close()


def tc_bpf() -> None:
    """A device takes clsact and a BPF filter at its ingress. Call it in a new namespace."""
    program = load_program("pass", _RETURN_0, ProgramType.SCHED_CLS)
    try:
        with IPRoute() as ip:
            ip.tc("add", "clsact", index=1)
            ip.tc("add-filter", "bpf", index=1, handle=":1", fd=program, name="pass", parent=0xFFFFFFF2,
                  classid=1, direct_action=True)  # fmt: skip
    finally:
        os.close(program)


def tcx() -> None:
    """A device takes a BPF program by tcx. Call it in a new namespace."""
    program = load_program("pass", _RETURN_0, ProgramType.SCHED_CLS)
    try:
        os.close(attach_link(program, 1, AttachType.TCX_INGRESS, "tcx"))
    finally:
        os.close(program)


def helper(name: str) -> None:
    """tc programs may call a helper: the verifier may reject its arguments, but must know the helper."""
    call = struct.pack("=BBhi", 0x85, 0, 0, _HELPERS[name])
    try:
        os.close(load_program("helper", call + _RETURN_0, ProgramType.SCHED_CLS))
    except BpfError as error:
        text = str(error)
        if "EPERM" in text or any(words in text for words in ("unknown func", "invalid func", "cannot use helper")):
            raise Refused(f"bpf_{name} is not known to this kernel") from error


def raw_tracepoints() -> None:
    """A program attaches to a raw tracepoint."""
    program = load_program("raw", _RETURN_0, ProgramType.RAW_TRACEPOINT)
    try:
        os.close(attach_raw_tracepoint(program, "sched_process_exit"))
    finally:
        os.close(program)


def xdp() -> None:
    """An XDP program loads."""
    os.close(load_program("xdp", _RETURN_0, ProgramType.XDP))


def xdp_on_veth(mode: int) -> None:
    """A veth takes an XDP program in a mode (XDP_FLAGS_*_MODE). Call it in a new namespace."""
    veth()
    program = load_program("xdp", _RETURN_0, ProgramType.XDP)
    try:
        with IPRoute() as ip:
            index = ip.link_lookup(ifname="sdtry0")[0]
            ip.link("set", index=index, xdp={"attrs": [("IFLA_XDP_FD", program), ("IFLA_XDP_FLAGS", mode)]})
    finally:
        os.close(program)


def sk_lookup() -> None:
    """An sk_lookup program loads."""
    os.close(load_program("lookup", _RETURN_0, ProgramType.SK_LOOKUP, AttachType.SK_LOOKUP))


def cgroup_connect() -> None:
    """A program that rewrites connect(2) loads, and a cgroup2 is mounted to attach it to."""
    os.close(cgroups.open_root())
    os.close(load_program("connect", RETURN_1, ProgramType.CGROUP_SOCK_ADDR, AttachType.CGROUP_INET4_CONNECT))


def sockmap() -> None:
    """A map of sockets can be made."""
    os.close(create_map("sockets", MapShape(MapType.SOCKMAP, 4, 4, 1, 0)))


def on_sockmap(kind: ProgramType, attach: AttachType) -> None:
    """A program of the kind can be attached to a map of sockets."""
    sockets = create_map("sockets", MapShape(MapType.SOCKMAP, 4, 4, 1, 0))
    try:
        program = load_program("verdict", RETURN_1, kind)
        try:
            attach_to_map(program, sockets, attach)
        finally:
            os.close(program)
    finally:
        os.close(sockets)


def sock_ops() -> None:
    """A sock_ops program loads, and a cgroup2 is mounted to attach it to."""
    os.close(cgroups.open_root())
    os.close(load_program("sock_ops", RETURN_1, ProgramType.SOCK_OPS))


def veth() -> None:
    """A pair of virtual Ethernet devices can be made. Call it in a new namespace."""
    with IPRoute() as ip:
        ip.link("add", ifname="sdtry0", kind="veth", peer={"ifname": "sdtry1"})


def vlan() -> None:
    """A VLAN device can be put on a veth. Call it in a new namespace."""
    veth()
    with IPRoute() as ip:
        ip.link("add", ifname="sdtry2", kind="vlan", link=ip.link_lookup(ifname="sdtry0")[0], vlan_id=1)


def link(kind: str) -> None:
    """A device of ``kind`` can be made. Call it in a new namespace."""
    with IPRoute() as ip:
        ip.link("add", ifname="sdtry2", kind=kind)


def sysctl() -> None:
    """A setting of a namespace can be written. Call it in a new namespace."""
    netns.write_sysctls({"net/ipv4/ip_local_port_range": "1024 65535"})


def qdisc(kind: str, *options: str) -> None:
    """A queueing discipline can be put on a device. Call it in a new namespace."""
    netns.run_program(["tc", "qdisc", "add", "dev", "lo", "root", kind, *options], timeout_s=5)


def btf() -> None:
    """The kernel has BTF."""
    with Path("/sys/kernel/btf/vmlinux").open("rb") as file:
        file.read(1)


def tracefs() -> None:
    """The tracing file system is mounted."""
    os.stat("/sys/kernel/tracing/events/sched")


def fentry() -> None:
    """A program can be loaded for the entry of a kernel function."""
    try:
        function = function_id("tcp_v4_connect")
    except BtfError as error:
        raise Refused(str(error)) from error
    os.close(load_program("fentry", _RETURN_0, ProgramType.TRACING, AttachType.TRACE_FENTRY, function))


def kprobes() -> None:
    """Kernel probes exist."""
    os.stat("/sys/bus/event_source/devices/kprobe/type")


def ipvs() -> None:
    """The IP virtual server answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.getsockopt(socket.IPPROTO_IP, _IP_VS_SO_GET_VERSION, 64)


def ktls() -> None:
    """TCP sockets take the TLS upper layer."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
        try:
            tcp.setsockopt(socket.IPPROTO_TCP, _TCP_ULP, b"tls")
        except OSError as error:
            if error.errno != errno.ENOTCONN:  # the ULP exists, but the socket is not connected
                raise


def hardware_counters() -> None:
    """CPU cycles can be counted."""
    _perf_event(0, 0)  # PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES


def cpu_clock() -> None:
    """A CPU clock can sample what runs, for on-CPU stacks."""
    _perf_event(1, 0)  # PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK


def _perf_event(kind: int, config: int) -> None:
    number = _PERF_EVENT_OPEN.get(platform.machine())
    if number is None:
        raise Refused(f"{platform.machine()} is an unknown architecture")
    attributes = struct.pack("=IIQ", kind, 128, config).ljust(128, b"\0")
    libc = ctypes.CDLL(None, use_errno=True)
    fd = int(libc.syscall(number, ctypes.create_string_buffer(attributes, 128), 0, -1, -1, 0))
    if fd < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    os.close(fd)
