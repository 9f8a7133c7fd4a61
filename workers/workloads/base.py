"""The contract of a workload: the shape of the traffic.

A workload is one file here. It turns a load level into a plan for a generator, and checks what the generator
reports. It runs nothing itself: the runner owns time.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from domain.jobs import HostCapabilities
from domain.load import ClosedLoad, OpenLoad
from domain.workload import Parameter
from workers.traffic.base import GeneratorPlan, TargetTraffic

DEFAULTS: Mapping[str, int] = MappingProxyType({})
"""No values: every parameter has its default."""


class Workload(ABC):
    """The shape of the traffic.

    ``origin`` is the program that answers: ``nginx`` or ``showdown-traffic``. ``service`` is its protocol: ``http``,
    ``https``, ``h2``, ``tcp`` or ``udp``. A campaign may set ``parameters``; each has a default. ``open_rates_per_s``
    are the only rates of open loads, and ``open_arrivals`` their only arrivals; empty if any will do. ``one_client``
    says why the generator loads from one client only; empty if it takes several.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    level_kinds: ClassVar[tuple[str, ...]]
    open_rates_per_s: ClassVar[tuple[int, ...]] = ()
    open_arrivals: ClassVar[tuple[str, ...]] = ()
    one_client: ClassVar[str] = ""
    origin: ClassVar[str] = "showdown-traffic"
    service: ClassVar[str] = "http"
    parameters: ClassVar[tuple[Parameter, ...]] = ()

    @property
    def protocol(self) -> str:
        """The protocol of its packets: ``tcp`` or ``udp``. Not every datapath carries both."""
        return "udp" if self.service == "udp" else "tcp"

    @abstractmethod
    def unmet_requirements(self, capabilities: HostCapabilities) -> list[str]:
        """What this host lacks to run it, in sentences; empty when it runs."""

    @abstractmethod
    def plan(self, level: ClosedLoad | OpenLoad, parameters: Mapping[str, int] = DEFAULTS) -> GeneratorPlan:
        """The plan for a generator; a parameter without a value has its default.

        Raises ``ValueError`` for a level whose kind is not in ``level_kinds``, and for a value that no parameter takes.
        """

    @abstractmethod
    def check(self, traffic: TargetTraffic, answer_bytes: int) -> list[str]:
        """What is wrong with the received bodies, in sentences; empty if nothing is.

        ``answer_bytes`` is the length of one whole answer with headers, measured before the traffic.
        """
