"""The features that this host has; each "no" with its reason and remedy.

Each feature is tried out (workers/inventory/kernel_features.py).
"""

import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pyroute2.netlink.exceptions import NetlinkError

from bpf.enums import AttachType, ProgramType
from bpf.loader import BpfError
from domain.hosts.environment import search_path
from domain.loads.load import MAX_CONNECTIONS
from domain.service.jobs import Feature
from domain.values.texts import error_text
from workers.inventory import filter_features, nft_features
from workers.inventory import kernel_features as kernel
from workers.inventory.privileges import remedy_of_refusal
from workers.inventory.refused import Refused
from workers.lab import cgroup_limits, cpus, limits, netns

PROGRAMS = {
    "haproxy": "haproxy", "nginx": "nginx", "wrk": "wrk", "nft": "nftables", "tc": "iproute2",
    "nsenter": "util-linux", "setpriv": "util-linux", "taskset": "util-linux", "h2load": "nghttp2-client",
}  # fmt: skip
"""Programs that variants use, and Debian's package of each."""
NGINX_STREAM = Path("/usr/lib/nginx/modules/ngx_stream_module.so")

_OTHER_KERNEL = "Use a kernel that has it."


@dataclass(frozen=True)
class Try:
    """One feature: how to try it, and the remedy if it is absent."""

    name: str
    attempt: Callable[[], object]
    remedy: str
    absent: str = ""
    in_namespace: bool = False
    needs_root: bool = True


def _qdisc(name: str, *options: str) -> Try:
    """The feature of a queueing discipline, with the options that it does not go without."""
    kind = name.removeprefix("qdisc.")
    return Try(name, partial(kernel.qdisc, kind, *options), f"Run: modprobe sch_{kind}", in_namespace=True)


TRIES = (
    Try("bcc", kernel.bcc, "Install python3-bpfcc and the kernel's headers (deploy/bootstrap.sh does)."),
    Try("btf", kernel.btf, _OTHER_KERNEL, "CONFIG_DEBUG_INFO_BTF is off", needs_root=False),
    Try("tracefs", kernel.tracefs, "Run: mount -t tracefs tracefs /sys/kernel/tracing", "tracefs is not mounted"),
    Try("raw_tracepoints", kernel.raw_tracepoints, _OTHER_KERNEL),
    Try("netns", lambda: None, _OTHER_KERNEL, in_namespace=True),
    Try("netns.sysctl", kernel.sysctl, _OTHER_KERNEL, in_namespace=True),
    Try("veth", kernel.veth, "Run: modprobe veth", in_namespace=True),
    Try("vlan", kernel.vlan, "Run: modprobe 8021q", in_namespace=True),
    Try("nft.tproxy", nft_features.tproxy, "Run: modprobe nft_tproxy", in_namespace=True),
    Try("nft.socket", nft_features.socket, "Run: modprobe nft_socket", in_namespace=True),
    Try("nft.redirect", nft_features.redirect, "Run: modprobe nft_redir nft_chain_nat", in_namespace=True),
    Try("nft.dnat", nft_features.dnat, "Run: modprobe nft_nat nft_hash nft_ct", in_namespace=True),
    Try("nft.limit", nft_features.limit, "Run: modprobe nft_limit", in_namespace=True),
    Try("nft.payload_set", nft_features.payload_set, _OTHER_KERNEL, in_namespace=True),
    Try("nft.ct", nft_features.ct, "Run: modprobe nft_ct nf_conntrack", in_namespace=True),
    Try("nft.synproxy", nft_features.synproxy, "Run: modprobe nft_synproxy nft_ct", in_namespace=True),
    Try("nft.flowtable", nft_features.flowtable, "Run: modprobe nf_flow_table", in_namespace=True),
    Try("tc.bpf", kernel.tc_bpf, "Run: modprobe cls_bpf sch_ingress", in_namespace=True),
    Try("tc.tcx", kernel.tcx, "Use Linux 6.6 or later.", in_namespace=True),
    Try("bpf.sk_assign", partial(kernel.helper, "sk_assign"), "Use Linux 5.7 or later."),
    Try("bpf.redirect_neigh", partial(kernel.helper, "redirect_neigh"), "Use Linux 5.10 or later."),
    Try("bpf.redirect_peer", partial(kernel.helper, "redirect_peer"), "Use Linux 5.10 or later."),
    Try("bpf.skb_set_tstamp", partial(kernel.helper, "skb_set_tstamp"), "Use Linux 5.18 or later."),
    Try("bpf.xdp", kernel.xdp, _OTHER_KERNEL),
    Try("xdp.native", partial(kernel.xdp_on_veth, 4), "Use Linux 4.19 or later.", in_namespace=True),
    Try("xdp.generic", partial(kernel.xdp_on_veth, 2), "Use Linux 4.12 or later.", in_namespace=True),
    Try("bpf.sockmap", kernel.sockmap, _OTHER_KERNEL),
    Try("bpf.sk_skb", partial(kernel.on_sockmap, ProgramType.SK_SKB, AttachType.SK_SKB_STREAM_VERDICT),
        "Use Linux 5.13 or later with CONFIG_BPF_STREAM_PARSER."),
    Try("bpf.sk_msg", partial(kernel.on_sockmap, ProgramType.SK_MSG, AttachType.SK_MSG_VERDICT),
        "Use a kernel with CONFIG_BPF_STREAM_PARSER."),
    Try("bpf.sock_ops", kernel.sock_ops, "Run: mount -t cgroup2 none /sys/fs/cgroup/unified"),
    Try("bpf.sk_lookup", kernel.sk_lookup, "Use Linux 5.9 or later."),
    Try("bpf.cgroup_connect", kernel.cgroup_connect, "Run: mount -t cgroup2 none /sys/fs/cgroup/unified"),
    Try("bpf.cgroup_skb", filter_features.cgroup_skb, "Use Linux 6.15 or later, and mount cgroup2."),
    Try("bpf.syncookie", partial(kernel.helper, "tcp_raw_gen_syncookie_ipv4"),
        "Use Linux 6.0 or later with CONFIG_SYN_COOKIES."),
    Try("bpf.lpm_trie", filter_features.lpm_trie, "Use Linux 5.13 or later."),
    Try("kprobes", kernel.kprobes, _OTHER_KERNEL, "CONFIG_KPROBES is off", needs_root=False),
    Try("fentry", kernel.fentry, _OTHER_KERNEL),
    _qdisc("qdisc.tbf", "rate", "1mbit", "burst", "10kb", "limit", "10kb"),
    *map(_qdisc, ("qdisc.htb", "qdisc.fq", "qdisc.fq_codel", "qdisc.netem")),
    Try("nginx.stream", NGINX_STREAM.stat, "Run: apt-get install libnginx-mod-stream",
        "nginx's module stream is not installed", needs_root=False),
    Try("netkit", partial(kernel.link, "netkit"), "Use Linux 6.7 or later with CONFIG_NETKIT.", in_namespace=True),
    Try("ipvs", kernel.ipvs, "Run: modprobe ip_vs", "no IPVS in this kernel, or its module is not loaded"),
    Try("ktls", kernel.ktls, "Run: modprobe tls", "no kernel TLS, or its module is not loaded", needs_root=False),
    Try("cpu_clock", kernel.cpu_clock, "Set kernel.perf_event_paranoid to 1 or below, or run as root."),
    Try("hardware_counters", kernel.hardware_counters, "Use bare metal, or a virtual machine with a PMU.",
        "the CPU's counters are not available; a virtual machine often has none"),
)  # fmt: skip


def probe_features(own_programs: Mapping[str, Path]) -> tuple[Feature, ...]:
    """Try every feature; leaves nothing behind. Without root, features that need root count as absent.

    ``own_programs`` are the programs that `make setup` builds: name and path.
    """
    root = os.geteuid() == 0
    headers = f"/lib/modules/{platform.release()}/build"
    return (
        _feature("root", root, "namespaces and BPF programs need it.", "Run as root."),
        _feature(
            "kernel_headers",
            os.path.isdir(f"{headers}/include"),
            f"no {headers}.",
            "Install linux-headers-amd64 and link it (deploy/bootstrap.sh does).",
        ),
        *(
            _feature(f"program.{name}", os.access(path, os.X_OK), f"{name} is not built.", "Run: make setup")
            for name, path in own_programs.items()
        ),
        cpus_of_their_own(cpus.cores_of(os.sched_getaffinity(0))),
        *without_limits(cgroup_limits.own_limits()),
        enough_files(),
        *(_program(name, package) for name, package in PROGRAMS.items()),
        *(_tried(one, root) for one in TRIES),
    )


def _feature(name: str, present: bool, reason: str, remedy: str) -> Feature:
    return Feature(name=name, present=True) if present else Feature(
        name=name, present=False, reason=reason, remedy=remedy)  # fmt: skip


def cpus_of_their_own(cores: Sequence[Sequence[int]]) -> Feature:
    """Whether generator, DUT and origin can have CPUs of their own; ``cores`` are those that the worker may use."""
    remedy = f"Use a host with at least {cpus.FEWEST_CPUS} CPUs of {cpus.FEWEST_CORES} cores."
    why = cpus.missing(cores)
    return _feature("cpus.own", not why, f"{why}.", remedy)


def without_limits(own: cgroup_limits.Limits) -> tuple[Feature, Feature]:
    """Whether the worker's own cgroups leave it all CPU time and memory."""
    held = "A CPU limit holds programs back for tens of milliseconds, and such trials are invalid."
    return (
        _feature(
            "cpu.unlimited",
            own.cpus is None,
            f"the worker's cgroup may use {own.cpu_text}. {held}",
            "Run it without docker --cpus, Kubernetes limits.cpu or systemd's CPUQuota=.",
        ),
        _feature(
            "memory.unlimited",
            own.memory_bytes is None,
            f"the worker's cgroup may use {own.memory_text} of memory.",
            "Run it without docker --memory, Kubernetes limits.memory or systemd's MemoryMax=, if it is too little.",
        ),
    )


def enough_files() -> Feature:
    """Whether a program of a lab can have as many open files as its most connections need."""
    most = limits.open_files(limits.MOST_FILES)
    return _feature(
        "open_files",
        most >= limits.MOST_FILES,
        f"a program may have {most:,} open files, and {MAX_CONNECTIONS:,} connections need {limits.MOST_FILES:,}.",
        "Run the worker as root with CAP_SYS_RESOURCE, or raise it: systemd's LimitNOFILE=, docker --ulimit nofile.",
    )


def _program(name: str, package: str) -> Feature:
    present = shutil.which(name, path=search_path(os.environ)) is not None
    return _feature(f"program.{name}", present, f"{name} is not installed.", f"Run: apt-get install {package}")


def _tried(one: Try, root: bool) -> Feature:
    if one.needs_root and not root:
        return Feature(
            name=one.name, present=False, reason=f"{one.name} cannot be tried without root.", remedy="Run as root."
        )
    try:
        if one.in_namespace:
            netns.call_in_new(one.attempt)
        else:
            one.attempt()
    except (OSError, BpfError, NetlinkError, subprocess.SubprocessError, Refused) as error:
        if remedy := remedy_of_refusal(error):
            return _feature(one.name, False, f"{_words(error).rstrip('.')}.", remedy)
        reason = one.absent or _words(error)
        return _feature(one.name, False, f"{reason.rstrip('.')}.", remedy_of(one.remedy))
    return Feature(name=one.name, present=True)


def remedy_of(remedy: str, modules: Path = Path("/proc/modules")) -> str:
    """``remedy`` for this kernel: only a kernel with /proc/modules can load a module."""
    name = remedy.removeprefix("Run: modprobe ")
    if name == remedy or modules.exists():
        return remedy
    return f"This kernel loads no modules: use one that has {name} built in."


def _words(error: Exception) -> str:
    stderr = getattr(error, "stderr", None)
    text = stderr.decode(errors="replace") if isinstance(stderr, bytes) else stderr or error_text(error)
    return " ".join(text.split())[:200]
