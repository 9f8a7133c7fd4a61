"""The two programs of a datapath, ``from_client`` and ``from_origin``, whatever they are attached to."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from types import MappingProxyType
from typing import ClassVar

from pyroute2.netlink.exceptions import NetlinkError

from bpf.instance import Instance
from bpf.loader import BpfError, Module, ProgramType
from workers.lab import Lab

ERRORS = (OSError, BpfError, NetlinkError)
"""What loading and attaching may raise."""

FUNCTIONS = {"dut_client": "from_client", "dut_server": "from_origin"}
"""Device of the DUT, by role, and the function that sees what comes in there."""


class Programs(ABC):
    """The programs of one datapath, bpf/datapaths/<name>.c: compiled once per worker process, loaded for each lab.

    The source has the maps ``config`` (an array of one) and ``counts`` (a per-CPU array of u64), and may have
    ``more_maps``. It is compiled with ``defines``.
    """

    kind: ClassVar[ProgramType]

    def __init__(
        self, name: str, more_maps: Sequence[str] = (), defines: Mapping[str, int] = MappingProxyType({})
    ) -> None:
        self._name, self._maps, self._defines = name, ("config", "counts", *more_maps), defines

    @contextmanager
    def attached(self, lab: Lab, config: bytes, **filled: bytes) -> Iterator[Instance]:
        """Both programs in force in ``lab``, with what the first entries of other maps are ``filled`` with.

        Raises ``OSError``, :class:`~bpf.loader.BpfError` or ``NetlinkError`` (see :data:`ERRORS`) with nothing left.
        """
        with Instance(self._module, list(FUNCTIONS.values()), self._maps, self.kind) as programs:
            for name, value in {"config": config, **filled}.items():
                programs.write(name, 0, value)
            with self._in_force(lab, {role: programs.programs[name] for role, name in FUNCTIONS.items()}):
                yield programs

    @cached_property
    def _module(self) -> Module:
        return Module(f"datapaths/{self._name}.c", self._defines)

    @abstractmethod
    def _in_force(self, lab: Lab, programs: Mapping[str, int]) -> AbstractContextManager[None]:
        """Attach the programs (device role → file descriptor) to the DUT's devices. Raises one of :data:`ERRORS`."""
