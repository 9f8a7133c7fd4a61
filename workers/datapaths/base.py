"""The contract of a datapath: how packets get from client to server through the DUT.

A datapath is one file here (and, for eBPF, one C file of the same name in bpf/datapaths/). It is discovered, never
listed. It never sleeps, times, polls or writes results: the runner owns all of that.
"""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from enum import Enum
from typing import ClassVar, Protocol

from domain.condition import Condition
from domain.counters import Counters
from domain.jobs import HostCapabilities
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab


class Attachment(Protocol):
    """A datapath in force in one lab."""

    def counters(self) -> Counters:
        """What crossed *this* datapath since it was attached. Raises ``DatapathError`` when it is gone."""


class DatapathError(RuntimeError):
    """A datapath could not be attached, or is no longer in force."""


class Tracking(Enum):
    """Whether the kernel tracks the connections of a datapath's packets (conntrack); the runner checks it."""

    ALWAYS = "always"
    """The datapath needs it."""
    WHEN_ASKED = "when asked"
    """Its packets pass netfilter: they are tracked where a campaign's condition has connections tracked."""
    NEVER = "never"
    """Its packets pass netfilter by."""

    def expects_conntrack(self, condition: Condition) -> bool:
        """Whether its connections must be found tracked under ``condition``."""
        return self is Tracking.ALWAYS or (self is Tracking.WHEN_ASKED and condition.conntrack)


class Datapath(ABC):
    """How packets get from client to server. Set-up is all or nothing; failure closes the path."""

    name: ClassVar[str]
    function: ClassVar[str]
    summary: ClassVar[str]
    protocols: ClassVar[frozenset[str]] = frozenset({"tcp"})
    """What it carries: ``tcp``, ``udp``. Other packets take the path that it replaces, which is closed."""

    ip_versions: ClassVar[frozenset[int]] = frozenset({4})
    """The IP versions that it carries, 4 or 6; a lab's traffic is of one (``LabSpec.ip_version``)."""

    disabled_offloads: ClassVar[frozenset[str]] = frozenset()
    """Offloads (workers/lab/offloads.py) that it cannot have; every lab of its block goes without them too."""
    bypassed_stages: ClassVar[frozenset[str]] = frozenset()
    """Kernel stages that its packets pass by, so that the probes of them do not apply."""
    one_client: ClassVar[str] = ""
    """Why it cannot have several clients; empty where it can."""

    tracking: ClassVar[Tracking] = Tracking.WHEN_ASKED
    """Whether its connections are tracked in the DUT."""

    @abstractmethod
    def missing(self, capabilities: HostCapabilities) -> list[str]:
        """What this host lacks to run it, in sentences; empty when it runs. Looks at ``features`` only."""

    def client_endpoint(self, lab: Lab) -> ClientEndpoint:
        """Where its client stands, whom that asks, and the address that the origin must see.

        Unless the datapath says otherwise: the client's namespace, the origin itself, and the client's own address.
        """
        return lab.client_endpoint

    @abstractmethod
    def attached(self, lab: Lab) -> AbstractContextManager[Attachment]:
        """Put the datapath in force in ``lab``; leaving the context undoes everything it did.

        Raises :class:`DatapathError` with nothing left behind. Traffic that would miss the datapath is dropped
        and counted in ``Counters.leaked_packets``, never forwarded unseen.
        """
