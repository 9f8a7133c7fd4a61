"""What can be taken from a datapath, and the reason that its trial must then be invalid for.

Each datapath's own test file declares ``FAULTS``, by case, and ``FACTS``, what the generic tests must know of it. It
may declare ``TRAITS``: the answers that the tests of traits must find.
declared.py finds them; tests/contract/test_datapath_faults.py checks that they are complete.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from bpf import instance
from bpf.enums import AttachType
from bpf.instance import Instance
from domain.trials.traits import Answer
from domain.trials.trial import Reason
from tests.kernel.bench import detach_ingress, detach_link
from workers.lab import netns
from workers.lab.lab import Lab

BEFORE, DURING = 1, 2  # the traffic
WITNESS = "witness"
"""The nft table of the tests themselves, which no fault touches."""


@dataclass(frozen=True)
class Case:
    """One way to break datapaths. A block shows it for all datapaths that declare it, side by side."""

    title: str
    at: int = DURING
    workload: str = "http_keepalive"


PROXY_KILLED_FIRST = Case("proxy killed before traffic", BEFORE)
PROXY_KILLED = Case("proxy killed")
LISTENER_FULL = Case("listener full")
"""The proxy accepts three connections and has a backlog of one; the generator opens eight."""
STEERING_GONE_FIRST = Case("steering removed before traffic", BEFORE)
STEERING_GONE = Case("steering removed")
"""The datapath's rules are flushed, or its programs detached."""
PART_GONE_FIRST = Case("another part removed before traffic", BEFORE)
PART_GONE = Case("another part removed")
"""Something else that the datapath's packets need."""
MAP_EMPTIED = Case("map emptied")
MAP_EMPTIED_CHURN = Case("map emptied, churn", workload="http_churn")
"""For maps that are read for new connections only: here each request is one."""
DATAGRAMS_UNSTEERED = Case("steering removed, datagrams", workload="udp_rr")
"""Of every datapath that carries UDP but the routed path: rules flushed or programs detached while datagrams flow."""
RELAY_KILLED = Case("relay of datagrams killed", workload="udp_rr")
WRONG_DEVICES = Case("wrong devices")
"""The datapath takes the DUT's two devices for each other, from the start."""
LEFT_OPEN = Case("steering removed on an open path", BEFORE)
"""The same while the DUT goes on forwarding: every request is answered, and no packet takes the datapath."""

IN_BLOCKS = (
    *(PROXY_KILLED_FIRST, PROXY_KILLED, LISTENER_FULL, STEERING_GONE_FIRST, STEERING_GONE, PART_GONE_FIRST, PART_GONE),
    *(MAP_EMPTIED, MAP_EMPTIED_CHURN, WRONG_DEVICES, DATAGRAMS_UNSTEERED, RELAY_KILLED),
)
"""The cases that leave an invalid trial and a closed path; :data:`LEFT_OPEN` is another matter."""


@dataclass(frozen=True)
class Target:
    """A lab whose datapath is to be broken, with the BPF instances that the datapath loaded for it."""

    lab: Lab
    instances: tuple[Instance, ...] = ()

    @property
    def programs(self) -> Instance:
        """The one instance of a datapath in eBPF."""
        (found,) = self.instances
        return found


Break = Callable[[Target], object]


@dataclass(frozen=True)
class Fault:
    """How to break a datapath, and the one reason that must be among its trial's."""

    breaks: Break
    reason: Reason


Faults = Mapping[Case, Fault]


@dataclass(frozen=True)
class Defence:
    """How a datapath defends against a flood of SYNs. The defaults are those of one that does nothing."""

    cookies_by: str = ""
    """Who answers SYNs with cookies: ``server``, ``dut`` or nobody."""
    server_accepts_cookies: bool = False
    """The server's kernel checks the cookies that come back."""
    forgets_ended: bool = False
    """It remembers no ended connection, so the server refuses cookies of late segments."""
    by_source: bool = False
    """It counts the SYNs of each source, and drops those of sources that send too many."""
    wrong_setting: str = ""
    """A setting of the server, ``key=value``, with which it cannot work."""


@dataclass(frozen=True)
class Facts:
    """What the generic tests must know of a datapath and cannot find out. The defaults are the usual answers."""

    keeps_client: bool = True
    """The origin sees the client's address."""
    names_devices: bool = True
    """It names devices of the DUT, so that it can name the wrong ones."""
    routes: bool = False
    """Its path is the routed path, so that nothing can go past it."""
    translates: bool = False
    """The DUT forwards for it, what it has translated and nothing else."""
    delivers_locally_by_mark: bool = False
    """It has packets with a mark delivered to the DUT's own sockets."""
    early_demux: bool = False
    """The kernel finds sockets of established connections before it routes, without the datapath."""
    counts: str = "packets"
    """What ``Counters.packets`` counts: ``packets``, ``messages`` of data, or nothing (it is ``None``)."""
    drops_bursts: bool = False
    """Its devices' queues are short: they drop packets of a burst, which are counted and sent again."""
    origins_in_turn: bool = False
    """It balances in turn, not by a hash."""
    keeps_gone_origins: bool = False
    """It cannot end the connections of an origin that is gone."""
    defence: Defence = Defence()
    """Of datapaths that defend against floods."""


YES, NO, NA = Answer.YES, Answer.NO, Answer.NOT_APPLICABLE
Traits = Mapping[str, Answer]
"""By trait: what is known without testing it, by how the datapath is made and from the documentation of its parts."""


def nothing(_: Target) -> None:
    """The fault is in place from the start."""


def kill_proxy(target: Target) -> None:
    """kill -9 the proxy."""
    next(p for p in target.lab.processes if p.task_role == "proxy").kill()


def kill_relay(target: Target) -> None:
    """kill -9 the relay of datagrams."""
    next(p for p in target.lab.processes if "--udp" in p.argv).kill()


def flush_rules(target: Target) -> None:
    """Remove every nft rule of the datapath, but not its tables."""
    for line in netns.run_in(target.lab.dut_ns, ["nft", "list", "tables"]).splitlines():
        if not line.endswith(f" {WITNESS}"):
            netns.run_in(target.lab.dut_ns, ["nft", "flush", *line.split()])


def detach_from_device(lab: Lab, role: str) -> None:
    """Remove the tc or XDP program from a device of the DUT."""
    if detach_ingress(lab, role) == 1:
        return
    device = lab.devices[role]
    assert "prog/xdp" in netns.run_in(lab.dut_ns, ["ip", "-d", "link", "show", "dev", device])
    netns.run_in(lab.dut_ns, ["ip", "link", "set", "dev", device, "xdp", "off"])


def detach_program(target: Target) -> None:
    """Remove the program from the device on the client's side."""
    detach_from_device(target.lab, "dut_client")


def detach_programs(target: Target) -> None:
    """Remove the programs from both devices."""
    for role in ("dut_client", "dut_server"):
        detach_from_device(target.lab, role)


def unlink(hooks: AttachType | Mapping[int, AttachType]) -> Break:
    """Detach this process's BPF link at a hook, or at that of the lab's IP version."""
    return lambda target: detach_link(hooks if isinstance(hooks, AttachType) else hooks[target.lab.spec.ip_version])


def clear_config(target: Target) -> None:
    """Fill the map ``config``, which says whose packets the programs take, with zeros."""
    target.programs.clear("config", 0)


def empty_maps(*names: str) -> Break:
    """Delete every entry of maps, which had some."""

    def empty(target: Target) -> None:
        assert sum(target.programs.empty(name) for name in names) > 0

    return empty


def delete_entry(name: str) -> Break:
    """Delete the first entry of a map."""
    return lambda target: instance.delete_entry(target.programs.map_fd(name), 0)


BY_PROXY: Faults = {
    PROXY_KILLED_FIRST: Fault(kill_proxy, Reason.DATAPATH_FAILED),
    PROXY_KILLED: Fault(kill_proxy, Reason.DATAPATH_FAILED),
    LISTENER_FULL: Fault(nothing, Reason.GENERATOR_FAILED),
}
"""Of every datapath with a proxy."""

BY_RELAY: Faults = {RELAY_KILLED: Fault(kill_relay, Reason.DATAPATH_FAILED)}
"""Of every datapath whose datagrams go through the own relay."""

BY_DEVICES: Faults = {WRONG_DEVICES: Fault(nothing, Reason.DATAPATH_FAILED)}
"""Of every datapath that names devices."""

BY_PROGRAM: Faults = {
    STEERING_GONE_FIRST: Fault(detach_program, Reason.LEAKED),
    STEERING_GONE: Fault(detach_program, Reason.LEAKED),
    MAP_EMPTIED: Fault(clear_config, Reason.LEAKED),
}
"""Of datapaths whose program does all: without it, or without its configuration, packets go on without the datapath."""

BY_RULES: Faults = {
    STEERING_GONE_FIRST: Fault(flush_rules, Reason.LEAKED),
    STEERING_GONE: Fault(flush_rules, Reason.LEAKED),
    LEFT_OPEN: Fault(flush_rules, Reason.BYPASSED),
}
"""Of datapaths whose nftables rules steer."""


@contextmanager
def instances_noted(note: Callable[[Instance], object]) -> Iterator[None]:
    """Call ``note`` with each BPF instance that is made meanwhile."""
    made = Instance.__init__

    def noted(self: Instance, *arguments: object, **named: object) -> None:
        made(self, *arguments, **named)  # type: ignore[arg-type]
        note(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Instance, "__init__", noted)
        yield
