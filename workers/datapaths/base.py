"""The contract of a datapath: how packets get from client to server through the DUT.

A datapath is one file here (and, for eBPF, one C file of the same name in bpf/datapaths/). It is discovered, never
listed. It never sleeps, times, polls or writes results: the runner owns all of that.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from enum import Enum
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

from pyroute2.netlink.exceptions import NetlinkError

from bpf.loader import BpfError
from domain.loads.condition import Condition
from domain.service.jobs import HostCapabilities
from domain.trials.counters import Counters
from domain.trials.figures import TrialFigure
from domain.values.use import Use
from workers.lab import affinity
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab
from workers.lab.nft import NftError

EVERY_LAB_REQUIRES = ("root", "netns", "netns.sysctl", "veth")
"""Features without which a host can build no lab, and so run no datapath."""


class Attachment(Protocol):
    """A datapath that is attached in one lab."""

    def counters(self) -> Counters:
        """What crossed *this* datapath since it was attached. Raises ``DatapathError`` when it is gone."""


@runtime_checkable
class Metered(Protocol):
    """An attachment that knows what its programs use."""

    def use(self) -> Use:
        """Raises ``DatapathError`` when they are gone."""


@runtime_checkable
class Figured(Protocol):
    """An attachment that has figures besides its counters, such as the time that loading its list took."""

    def figures(self) -> Sequence[TrialFigure]:
        """Those of the whole trial, at its end. Raises ``DatapathError`` when it is gone."""


@runtime_checkable
class Changing(Attachment, Protocol):
    """An attachment with something that can be changed under load, as a list."""

    @property
    def change_title(self) -> str:
        """What one change is, as the head of a column."""

    def change(self) -> int:
        """Make some changes that cancel each other; returns how many. The runner times it. Raises ``DatapathError``."""


@runtime_checkable
class HealthMarked(Attachment, Protocol):
    """A balancer that learns from a health checker outside which origins are up. The runner has such a checker."""

    def mark_health(self, address: str, up: bool) -> None:
        """From now on new connections go to this origin, or not. Raises ``DatapathError``, or ``ValueError``."""


@runtime_checkable
class HealthChecking(Attachment, Protocol):
    """A balancer that checks its origins itself, as the lab asks (``LabSpec.health``)."""

    def check_health(self, *, on: bool) -> None:
        """Begin, or stop and take every origin for up: an idle lab sends no packets. Raises ``DatapathError``."""

    def health(self) -> Mapping[str, bool]:
        """Whether it takes each origin for up. Raises ``DatapathError``."""


@runtime_checkable
class Hashing(Attachment, Protocol):
    """A balancer that remembers connections in a table, and would else choose their origins by a hash."""

    def forget_connections(self) -> int:
        """Empty the table; returns how many entries it had. Raises ``DatapathError``."""

    def hash_moves(self, address: str) -> float:
        """The share of hash slots that get another origin when ``address`` joins the others. Computed."""


class Bound(NamedTuple):
    """The most of a condition that a datapath takes, and why: the end of a sentence."""

    most: int
    why: str


class DatapathError(RuntimeError):
    """A datapath could not be attached, or is no longer attached."""


ERRORS = (OSError, BpfError, NetlinkError, NftError)
"""What the libraries raise while a datapath is set up or read; see :func:`raised_by`."""


@contextmanager
def raised_by(name: str) -> Iterator[None]:
    """Turn :data:`ERRORS` into ``DatapathError("<name>: …")``; a ``DatapathError`` gets the name once."""
    try:
        yield
    except (*ERRORS, DatapathError) as error:
        text = str(error).removeprefix(f"{name}: ")
        raise DatapathError(f"{name}: {text}") from error


class Tracking(Enum):
    """Whether the kernel tracks the connections of a datapath's packets (conntrack); the runner checks it."""

    ALWAYS = "always"
    """The datapath needs it."""
    WHEN_ASKED = "when asked"
    """Its packets cross netfilter: they are tracked where a campaign's condition has connections tracked."""
    NEVER = "never"
    """Its packets bypass netfilter."""

    def expects_conntrack(self, condition: Condition) -> bool:
        """Whether its connections must be found tracked under ``condition``."""
        return self is Tracking.ALWAYS or (self is Tracking.WHEN_ASKED and condition.conntrack)


class Datapath(ABC):
    """How packets get from client to server. Set-up is all or nothing; failure closes the path."""

    name: ClassVar[str]
    function: ClassVar[str]
    """What it does to traffic: one of ``domain.values.names.FUNCTIONS``."""
    summary: ClassVar[str]
    requires: ClassVar[tuple[str, ...]]
    """Features that a host must have (workers/inventory/features.py), besides :data:`EVERY_LAB_REQUIRES`."""

    role: ClassVar[str] = ""
    """``limit`` (``domain.values.names.LIMIT``): no other datapath can be faster; figures are shares of it."""

    over: ClassVar[str] = ""
    """The datapath that does the same but for what this one adds, if there is one: what it costs is priced over it."""

    terminates_tls: ClassVar[bool] = False
    """Its clients speak TLS with it, whatever the workload, and the origin gets plain requests."""

    protocols: ClassVar[frozenset[str]] = frozenset({"tcp"})
    """What it carries: ``tcp``, ``udp``. Other packets take the path that it replaces, which is closed."""

    blocks_attacks: ClassVar[bool] = False
    """Every packet of an attack must be blocked, and nothing else: the runner compares both counts."""

    accounts_for_floods: ClassVar[bool] = False
    """What became of each SYN of a flood must be known: the runner compares independent counts."""

    services: ClassVar[frozenset[str]] = frozenset()
    """The only protocols above TCP that it carries, named as a workload's ``service``; empty: all."""

    ip_versions: ClassVar[frozenset[int]] = frozenset({4, 6})
    """The IP versions that it carries; a lab's traffic is of one (``LabSpec.ip_version``)."""

    disabled_offloads: ClassVar[frozenset[str]] = frozenset()
    """Offloads (workers/lab/offloads.py) that it cannot have. Every lab of its block runs without them."""
    bypassed_stages: ClassVar[frozenset[str]] = frozenset()
    """Kernel stages that its packets bypass, so that the probes of them do not apply."""
    bounds: ClassVar[Mapping[str, Bound]] = {}
    """By the fields of a condition with a number (``blocklist_entries``). Its trial above a bound is refused."""
    excludes: ClassVar[Mapping[str, str]] = {}
    """By fields of a condition that it cannot have: why, the end of a sentence. Its trial is refused."""
    one_client: ClassVar[str] = ""
    """Why it cannot have several clients; empty where it can."""

    tracking: ClassVar[Tracking] = Tracking.WHEN_ASKED
    """Whether its connections are tracked in the DUT."""

    def unmet_requirements(self, capabilities: HostCapabilities) -> list[str]:
        """What this host lacks to run it, in sentences; empty when it runs. Reads ``features`` only."""
        return capabilities.lacking(*EVERY_LAB_REQUIRES, *self.requires)

    def client_endpoint(self, lab: Lab) -> ClientEndpoint:
        """The client's namespace, the address it connects to, and the source address that the origin must see.

        Unless a datapath overrides it: the client's namespace, the origin itself, and the client's own address.
        """
        return lab.client_endpoint

    @contextmanager
    def attached(self, lab: Lab) -> Iterator[Attachment]:
        """Attach the datapath in ``lab``; leaving the context undoes everything it did.

        Raises :class:`DatapathError` with nothing left behind, also if a proxy may use other CPUs than the condition
        says. Traffic that would miss the datapath is dropped
        and counted in ``Counters.leaked_packets``, never forwarded unseen.
        """
        with ExitStack() as stack:
            with raised_by(self.name):
                attachment = self.attach(lab, stack)
                found = affinity.check_proxies(lab.spec, lab.processes)
            if found:
                lab.notes.append(found)
                stack.callback(lab.notes.remove, found)
            yield attachment

    @abstractmethod
    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        """Set up each part, and put onto ``stack`` what removes it. See :meth:`attached`, which callers use.

        Close the routed path first (``dut.closed_path``). Raises one of :data:`ERRORS` or :class:`DatapathError`.
        """
