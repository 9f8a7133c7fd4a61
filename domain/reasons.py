"""What each reason against a trial means, what usually causes it, and what to do: for pages, commands and documents."""

from collections.abc import Mapping
from typing import NamedTuple

from domain.trial import TRANSIENT_REASONS, Reason


class Explanation(NamedTuple):
    """One reason in plain words; Markdown code is in backticks."""

    meaning: str
    cause: str
    remedy: str


EXPLANATIONS: Mapping[Reason, Explanation] = {
    Reason.BALLAST_MISMATCH: Explanation(
        meaning="Packets that had to walk the condition's netfilter rules did not, or packets of a "
        "datapath that bypasses netfilter did.",
        cause="The datapath declares the wrong `tracking`, or another program changed nftables.",
        remedy="Report it as a bug: the datapath's `tracking` is wrong, or another program changed "
        "nftables in the DUT.",
    ),
    Reason.BYPASSED: Explanation(
        meaning="The datapath's counters, or the origin's, show less than 99 % of the generator's work; "
        "or a balancer and an origin count different connections.",
        cause="Packets took another path: the datapath's rules or programs do not match all of them, or were removed.",
        remedy="The traffic took another path. Read the trial's proof: the counter that differs names the place.",
    ),
    Reason.CONNTRACK_MISMATCH: Explanation(
        meaning="Connections that had to be tracked were not in the DUT's conntrack table, or connections "
        "that must not be tracked were.",
        cause="A full conntrack table, or a datapath that declares the wrong `tracking`.",
        remedy="Check `net.netfilter.nf_conntrack_max`: a full table tracks nothing more. If it is not "
        "full, report it as a bug.",
    ),
    Reason.CORRUPT: Explanation(
        meaning="An answer differed from what the origin sends, in length or in a byte.",
        cause="A proxy or program that rewrites, cuts or mixes data.",
        remedy="A datapath or proxy changes data. Do not use it; the trial's detail has the count.",
    ),
    Reason.DATAPATH_FAILED: Explanation(
        meaning="The datapath could not be attached, was detached, its proxy ended, or it does not carry "
        "this workload, IP version or number of clients.",
        cause="A kernel feature is missing, a program did not load, or a proxy ended.",
        remedy="Read the detail: it holds the kernel's or the proxy's message. `showdown doctor` says "
        "what the host lacks.",
    ),
    Reason.DROPS: Explanation(
        meaning="The datapath itself dropped more than 0.1 % of its packets.",
        cause="More load than rings, maps or queues have room for, or no listener for a packet.",
        remedy="Lower the load, or look for a full ring, a full map or a missing listener in the detail.",
    ),
    Reason.ERRORS: Explanation(
        meaning="More than 0.1 % of the requests failed, or more than 10 % of the connections waited in "
        "vain for an answer.",
        cause="An overloaded proxy or origin, a broken path, or too short a timeout.",
        remedy="The detail counts errors by cause: refused, reset, timeout, short and others. Lower the "
        "load, or look at the proxy's log.",
    ),
    Reason.GENERATOR_FAILED: Explanation(
        meaning="The load generator ended with an error: it reached no target, or had no descriptors.",
        cause="No room for so many connections: the proxy's limit, or that of file descriptors.",
        remedy="Read the detail. Often the proxy has no room for so many connections, or the "
        "file-descriptor limit is too low.",
    ),
    Reason.GENERATOR_SATURATED: Explanation(
        meaning="The generator was the bottleneck. A thread ran more than 95 % of the time, it stalled, "
        "it sent more than 5 ms late at p99, or it ran out of ports or descriptors.",
        cause="Too few CPUs for the generator, or CPUs that it shares with busy datapaths.",
        remedy="Lower the load, give the generator more CPUs, or use more clients. The figure would be "
        "the generator's and not the datapath's.",
    ),
    Reason.INTERFERENCE: Explanation(
        meaning="Other processes used more than 10 % of the CPUs during the trial, 20 % in one slice, or "
        "5 % during the idle baseline. Processes count however short their lives.",
        cause="Other programs on the host: builds, backups, monitoring, other tests. The finding names "
        "the three busiest ones.",
        remedy="Stop what else runs on the host. The block is tried again by itself, up to three attempts.",
    ),
    Reason.LEAKED: Explanation(
        meaning="Packets were seen on the path that the datapath replaces. They were dropped and counted.",
        cause="The datapath's rules or program miss some packets.",
        remedy="The datapath misses packets: look at its rules or program, and at the device it is attached to.",
    ),
    Reason.NO_REQUESTS: Explanation(
        meaning="The generator completed no request.",
        cause="The path is closed or broken.",
        remedy="The path is closed or broken. Look at the other reasons of the same trial.",
    ),
    Reason.OFFLOAD_MISMATCH: Explanation(
        meaning="The devices' offloads differ from those of the block's other labs, or from what the "
        "condition asks for.",
        cause="A driver refuses an offload, or another program changed it.",
        remedy="A driver refused the setting, or another program changed it. `ethtool -k` in the lab shows the state.",
    ),
    Reason.OTHER_FINGERPRINT: Explanation(
        meaning="The block ran with another kernel, CPU, set of mitigations, of versions or of settings "
        "than most blocks of the campaign.",
        cause="The host was updated, rebooted or reconfigured while the campaign ran.",
        remedy="Nothing, if you changed the host on purpose: run the campaign again. The report lists "
        "the fingerprints and the blocks of each.",
    ),
    Reason.OVERLOADED: Explanation(
        meaning="The load of an open level was not carried. Less than 99 % of the due requests were "
        "answered within their slices, those under way at a slice's middle excepted. Or the "
        "backlog grew, no CPU was idle, or more than 0.1 % never left.",
        cause="The rate is higher than this datapath carries on this host.",
        remedy="The datapath does not carry this rate here. Choose a lower rate; a `capacity(…)` level "
        "finds the highest one.",
    ),
    Reason.PROBE_LOSS: Explanation(
        meaning="A probe lost more than 5 % of a stage's events.",
        cause="More events than the probes' buffers take: many probes at once, or a high rate.",
        remedy="Use fewer probes at once, or a lower load.",
    ),
    Reason.STEAL: Explanation(
        meaning="The hypervisor took more than 5 % of the CPUs' time, or more than 20 % in one slice.",
        cause="Other virtual machines on the same hypervisor.",
        remedy="Use dedicated CPUs. The block is tried again by itself, up to three attempts.",
    ),
    Reason.THROTTLED: Explanation(
        meaning="The CPU limit of the worker's cgroup held its programs back for more than 1 % of the "
        "CPUs' time, or more than 5 % in one slice.",
        cause="A CPU limit around the worker: a container, or a unit of systemd.",
        remedy="Remove the limit: docker --cpus, Kubernetes limits.cpu, systemd's CPUQuota=. `showdown "
        "doctor` shows it as cpu.unlimited.",
    ),
    Reason.WRONG_CLIENT_ADDRESS: Explanation(
        meaning="The origin saw requests from an address that the datapath does not promise.",
        cause="A proxy that uses its own address where it should keep the client's, or the reverse.",
        remedy="The datapath does not keep (or hide) the client's address as it declares. Look at the "
        "proxy's source settings.",
    ),
}


def is_retried(reason: Reason) -> bool:
    """True if the block of such a trial is measured again."""
    return reason in TRANSIENT_REASONS
