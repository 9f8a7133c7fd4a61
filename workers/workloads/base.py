"""The contract of a workload: the shape of the traffic.

A workload is one file here. It turns a load level into a plan for a generator, and looks at what the generator
reports. It never runs anything: the runner owns time.
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
"""No value given: every parameter has its default."""


class Workload(ABC):
    """The shape of the traffic.

    ``origin`` is the program that answers (``nginx`` or ``showdown-traffic``), ``service`` what it is asked for:
    ``http``, ``https``, ``h2``, ``tcp`` or ``udp``. ``parameters`` are what a campaign may choose; they change nothing
    unless it does.
    ``open_rates_per_s`` are the only rates of its open loads; empty where any will do. ``one_client`` is why its
    generator loads from one client only; empty where it takes several.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    level_kinds: ClassVar[tuple[str, ...]]
    open_rates_per_s: ClassVar[tuple[int, ...]] = ()
    one_client: ClassVar[str] = ""
    origin: ClassVar[str] = "showdown-traffic"
    service: ClassVar[str] = "http"
    parameters: ClassVar[tuple[Parameter, ...]] = ()

    @property
    def protocol(self) -> str:
        """What its packets are: ``tcp`` or ``udp``; not every datapath carries both."""
        return "udp" if self.service == "udp" else "tcp"

    @abstractmethod
    def unmet_requirements(self, capabilities: HostCapabilities) -> list[str]:
        """What this host lacks to run it, in sentences; empty when it runs."""

    @abstractmethod
    def plan(self, level: ClosedLoad | OpenLoad, parameters: Mapping[str, int] = DEFAULTS) -> GeneratorPlan:
        """The plan; a parameter that is not given has its default.

        Raises ``ValueError`` for a level whose kind is not in ``level_kinds``, and for a value that no parameter takes.
        """

    @abstractmethod
    def check(self, traffic: TargetTraffic, answer_bytes: int) -> list[str]:
        """What is wrong with the bodies received, in sentences; empty when they are as they should be.

        ``answer_bytes`` is the length of one whole answer, headers included, seen before the traffic began.
        """
