"""The two programs of a datapath, ``from_client`` and ``from_origin``, whatever they are attached to."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import MappingProxyType
from typing import ClassVar

from bpf.enums import ProgramType
from bpf.instance import Instance
from bpf.layout import Fields
from bpf.loader import Module
from workers.lab.lab import Lab

FUNCTIONS = {"dut_client": "from_client", "dut_server": "from_origin"}
"""Device of the DUT, by role, and the function that sees what comes in there."""


class Compiled:
    """A datapath's C source, bpf/datapaths/<name>.c, compiled for each IP version as a lab of it first comes.

    Its text takes ``IP_VERSION`` and ``defines``: programs have no branch for the other version.
    """

    def __init__(self, name: str, defines: Mapping[str, int] = MappingProxyType({})) -> None:
        self._source, self._defines = f"datapaths/{name}.c", defines
        self._modules: dict[int, Module] = {}

    def of(self, lab: Lab) -> Module:
        """The module for the lab's traffic. Raises :class:`~bpf.loader.BpfError`."""
        version = lab.spec.ip_version
        if version not in self._modules:
            self._modules[version] = Module(self._source, {**self._defines, "IP_VERSION": version})
        return self._modules[version]


class Programs(ABC):
    """The programs of one datapath, bpf/datapaths/<name>.c, loaded for each lab.

    The source has the maps ``config`` (an array of one) and ``counts`` (a per-CPU array of u64), and may have
    ``more_maps``. It is compiled with ``defines``, once per worker process and IP version (see :class:`Compiled`).
    """

    kind: ClassVar[ProgramType]

    def __init__(
        self, name: str, more_maps: Sequence[str] = (), defines: Mapping[str, int] = MappingProxyType({})
    ) -> None:
        self._modules, self._maps = Compiled(name, defines), ("config", "counts", *more_maps)

    @contextmanager
    def attached(self, lab: Lab, config: Fields, **filled: Fields) -> Iterator[Instance]:
        """Both programs attached in ``lab``, after the first entries of ``config`` and of other maps are ``filled``.

        Raises ``OSError``, :class:`~bpf.loader.BpfError` or ``NetlinkError`` (see :data:`ERRORS`) with nothing left.
        """
        module = self._modules.of(lab)
        with Instance(module, list(FUNCTIONS.values()), self._maps, self.kind) as programs:
            for name, fields in {"config": config, **filled}.items():
                programs.write(name, 0, **fields)
            with self._in_force(lab, {role: programs.programs[name] for role, name in FUNCTIONS.items()}):
                yield programs

    @abstractmethod
    def _in_force(self, lab: Lab, programs: Mapping[str, int]) -> AbstractContextManager[None]:
        """Attach the programs (device role → file descriptor) to the DUT's devices. Raises one of :data:`ERRORS`."""
