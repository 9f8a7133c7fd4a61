"""What each reason against a trial means, what usually causes it, and what to do: for pages, commands and documents."""

from collections.abc import Mapping
from typing import NamedTuple

from domain.trials.trial import TRANSIENT_REASONS, Reason


class Explanation(NamedTuple):
    """One reason in plain words; Markdown code is in backticks."""

    meaning: str
    cause: str
    remedy: str


EXPLANATIONS: Mapping[Reason, Explanation] = {
    Reason.BALLAST_MISMATCH: Explanation(
        meaning="Packets that had to traverse the condition's netfilter rules did not, or packets of a "
        "datapath that bypasses netfilter did.",
        cause="The datapath declares the wrong `tracking`, or another program changed nftables.",
        remedy="Compare `nft list ruleset` in the DUT with the condition. If no other program "
        "writes rules there, report it as a bug of the datapath.",
    ),
    Reason.BEYOND_BOUND: Explanation(
        meaning="The datapath declares that it does not take so much of a condition.",
        cause="A condition above the bound of this datapath: a list of a million rules in sequence, for example.",
        remedy="Nothing, if you compare datapaths that take it. To measure this one, add a level below its bound; "
        "the detail names the bound and the cause.",
    ),
    Reason.BYPASSED: Explanation(
        meaning="The datapath's counters, or the origin's, show less than 99 % of the generator's work; "
        "or a balancer and an origin count different connections. Or SYNs of a flood are not accounted for.",
        cause="Packets took another path: the datapath's rules or programs do not match all of them, or were removed.",
        remedy="Open the trial's proof: the counter that differs names the place. Then look at the rules or "
        "programs there, and take out what else changes routes or rules on the host.",
    ),
    Reason.CONNTRACK_MISMATCH: Explanation(
        meaning="Connections that had to be tracked were not in the DUT's conntrack table, or connections "
        "that must not be tracked were.",
        cause="A full conntrack table, or a datapath that declares the wrong `tracking`.",
        remedy="Raise `net.netfilter.nf_conntrack_max` above the number of connections. If the table had room, "
        "report it as a bug of the datapath.",
    ),
    Reason.CORRUPT: Explanation(
        meaning="An answer differed from what the origin sends, in length or in a byte.",
        cause="A proxy or program that rewrites, cuts or mixes data.",
        remedy="Do not use the datapath for traffic that matters. Measure with `direct`: if its answers are whole, "
        "report the proxy or program; the trial's detail has the count.",
    ),
    Reason.COUNTS_MISMATCH: Explanation(
        meaning="Generator, datapath and origin counted different requests under one name, such as an API key or a "
        "model; or the datapath did not limit what it was configured to limit.",
        cause="A gateway that ignores its rules, routes wrongly or removes a header.",
        remedy="Open the trial's proof: the table of requests by name has the three counts. Compare the rules of the "
        "gateway with the documented ones.",
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
        remedy="Lower the load. The detail names the counter: enlarge that ring, map or queue, or start the listener.",
    ),
    Reason.ERRORS: Explanation(
        meaning="More than 0.1 % of the requests failed, or more than 10 % of the connections waited in "
        "vain for an answer.",
        cause="An overloaded proxy or origin, a broken path, or too short a timeout.",
        remedy="The detail counts errors by cause: refused, reset, timeout, short and others. Lower the load, or "
        "look at the proxy's log.",
    ),
    Reason.EVENT_MISSING: Explanation(
        meaning="The event that the workload declares did not happen as planned: an origin that had to die still "
        "answered, did not come back, or did so at another time.",
        cause="Slices are too short for the event, or the host is too busy to end and start a process in time. Or the "
        "origin has a fault.",
        remedy="Read the detail. Make slices longer (`slice_s`, `open_slice_s`) or the event shorter "
        "(`dies_ms`, `down_ms`), and stop what else runs on the host.",
    ),
    Reason.GENERATOR_FAILED: Explanation(
        meaning="The load generator ended with an error: it reached no target, or had no descriptors.",
        cause="No room for so many connections: the proxy's limit, or that of file descriptors.",
        remedy="Raise the limit that the detail names, such as `ulimit -n` or the proxy's `maxconn`, or use fewer "
        "connections.",
    ),
    Reason.GENERATOR_SATURATED: Explanation(
        meaning="The generator was the bottleneck. A thread ran more than 95 % of the time, or it stalled. "
        "Or it sent more than 5 ms late at p99, or ran out of ports or descriptors.",
        cause="Too few CPUs for the generator, or CPUs that it shares with busy datapaths.",
        remedy="Give the generator more CPUs, use more clients, or lower the load. Until then the figure would "
        "be the generator's and not the datapath's.",
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
        remedy="Compare the addresses and ports in the trial's detail with the datapath's rules or program, and check "
        "that it is attached to the right device.",
    ),
    Reason.LET_THROUGH: Explanation(
        meaning="A filter blocked fewer or more packets than the attack sent, or the origin answered one of them.",
        cause="The list lacks an entry, the filter is not attached everywhere, or packets were lost on their way.",
        remedy="Compare sent, blocked and answered packets in the trial's proof. If packets were lost and none was "
        "answered, lower the rate of the attack; else look at the list and the filter.",
    ),
    Reason.LOSS_MISMATCH: Explanation(
        meaning="The network lost another share of packets than the condition asks for, or traffic bypassed the loss.",
        cause="A datapath whose client is on the DUT, so that its packets use no network; or another program "
        "that drops packets, or removed the loss.",
        remedy="Leave out the datapath that the detail concerns, or the condition. If packets are missing that nothing "
        "lost on purpose, look at the drops of the devices.",
    ),
    Reason.NO_REQUESTS: Explanation(
        meaning="The generator completed no request.",
        cause="The path is closed or broken.",
        remedy="Look at the other reasons of the same trial: they say which part failed first.",
    ),
    Reason.OFFLOAD_MISMATCH: Explanation(
        meaning="The devices' offloads differ from those of the block's other labs, or from what the "
        "condition asks for.",
        cause="A driver refuses an offload, or another program changed it.",
        remedy="Compare `ethtool -k` in the lab with the condition. Stop the program that changes it, or leave "
        "this offload out of the condition.",
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
        "backlog grew, no CPU was idle, or more than 0.1 % never left. In a flood of SYNs: no connection was "
        "established, and the server dropped SYNs.",
        cause="The rate is higher than this datapath carries on this host.",
        remedy="Nothing, if this is what you asked: the report says who carries the load. To compare latencies, "
        "choose a lower rate; a `capacity(…)` level finds the highest one.",
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
        meaning="The CPU limit of the worker's cgroup held its programs back: for more than 1 % of the "
        "CPUs' time, or more than 5 % in one slice.",
        cause="A CPU limit around the worker: a container, or a unit of systemd.",
        remedy="Remove the limit: docker --cpus, Kubernetes limits.cpu, systemd's CPUQuota=. `showdown "
        "doctor` shows it as cpu.unlimited.",
    ),
    Reason.TLS_MISMATCH: Explanation(
        meaning="Generator and proxy report different TLS handshakes, or some were not what was asked for: plain, of "
        "another version, or with a certificate that was not verified.",
        cause="The proxy forwards what it should decrypt, or another server answers in its place.",
        remedy="Open the trial's proof: it has the handshakes of both ends. Look at the proxy's listener and "
        "certificate; `openssl s_client` in the client's namespace shows which one answers.",
    ),
    Reason.WRONG_CLIENT_ADDRESS: Explanation(
        meaning="The origin saw requests from an address that the datapath does not promise.",
        cause="A proxy that uses its own address where it should keep the client's, or the reverse.",
        remedy="Look at the proxy's source settings: HAProxy's `source … usesrc clientip`, and the route that "
        "brings answers back to the proxy.",
    ),
}


def is_retried(reason: Reason) -> bool:
    """True if the block of such a trial is measured again."""
    return reason in TRANSIENT_REASONS
