"""Datapaths for this bench only: ``direct`` with a program at tc ingress that burns a known time per packet.

They are not in the room of datapaths, so nothing discovers them and no campaign can name them.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache

from bpf.enums import ProgramType
from bpf.instance import Instance
from bpf.loader import Module
from domain.trials.counters import Counters
from domain.values.names import LIMIT
from workers.datapaths.base import Attachment, raised_by
from workers.datapaths.direct import Direct
from workers.datapaths.lib import tc
from workers.datapaths.lib.programs import FUNCTIONS
from workers.lab.lab import Lab

SOURCE = "bench/burn.c"


@dataclass(frozen=True)
class Burned:
    """Packets that a burner saw, and the time that it burned in all of them."""

    packets: int = 0
    burned_ns: int = 0

    def plus(self, other: "Burned") -> "Burned":
        """The sum."""
        return Burned(self.packets + other.packets, self.burned_ns + other.burned_ns)

    def minus(self, other: "Burned") -> "Burned":
        """The difference."""
        return Burned(self.packets - other.packets, self.burned_ns - other.burned_ns)

    @property
    def ns_per_packet(self) -> float:
        """The mean; 0 without packets."""
        return self.burned_ns / self.packets if self.packets else 0.0


@cache
def compiled() -> Module:
    """The program, compiled once for all labs."""
    return Module(SOURCE)


@dataclass
class Counting:
    """``direct``'s counters; each reading of them takes one of the program's, too."""

    inner: Attachment
    programs: Instance
    name: str
    first: Burned | None = None
    last: Burned = Burned()

    def counters(self) -> Counters:
        """The runner reads before and after traffic."""
        with raised_by(self.name):
            self.last = Burned(*self.programs.per_cpu_sums("counts"))
        self.first = self.first or self.last
        return self.inner.counters()

    @property
    def burned(self) -> Burned:
        """Between the first reading and the last."""
        return self.last.minus(self.first or self.last)


class Burner(Direct):
    """Burns ``burn_ns`` for each packet that the DUT receives, in either direction. ``burned`` sums up all its labs."""

    name = "burner"
    function = "burn"
    summary = "For make bench-truth only."
    role = ""

    def __init__(self, burn_ns: int) -> None:
        self.burn_ns = burn_ns
        self.burned = Burned()

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        """``direct``, and the program at both of the DUT's devices."""
        inner = super().attach(lab, stack)
        programs = stack.enter_context(
            Instance(compiled(), list(FUNCTIONS.values()), ("config", "counts"), ProgramType.SCHED_CLS)
        )
        programs.write("config", 0, burn_ns=self.burn_ns)
        on_devices = {role: programs.programs[name] for role, name in FUNCTIONS.items()}
        stack.enter_context((tc.tcx_links if tc.has_tcx() else tc.ingress_filters)(lab, on_devices))
        counting = Counting(inner, programs, self.name)
        stack.callback(self._add, counting)
        return counting

    def _add(self, counting: Counting) -> None:
        self.burned = self.burned.plus(counting.burned)


class EmptyBurner(Burner):
    """The reference: the same program, which burns nothing. Its role makes the report price others over it."""

    function = "forward"
    role = LIMIT

    def __init__(self) -> None:
        super().__init__(0)
