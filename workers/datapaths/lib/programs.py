"""The two programs of a datapath, ``from_client`` and ``from_origin``, whichever hook they are attached to."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import MappingProxyType
from typing import ClassVar, TypeAlias

from bpf.enums import ProgramType
from bpf.instance import Instance
from bpf.layout import Fields
from bpf.loader import Module
from workers.lab.lab import Lab

FUNCTIONS = {"dut_client": "from_client", "dut_server": "from_origin"}
"""The function that gets the packets which a device of the DUT receives, by the device's role."""


Defines: TypeAlias = Mapping[str, int] | Callable[[Lab], Mapping[str, int]]
"""Numbers for the text of a source, by their names in C; or what gives those of a lab."""


class Compiled:
    """A datapath's C source, bpf/datapaths/<name>.c, compiled once for each IP version, when the first lab needs it.

    Its text takes ``IP_VERSION`` and ``defines``: programs have no branch for the other version. If labs have different
    defines, it is compiled once for each set of them.
    """

    def __init__(self, name: str, defines: Defines = MappingProxyType({})) -> None:
        self._source, self._defines = f"datapaths/{name}.c", defines
        self._modules: dict[frozenset[tuple[str, int]], Module] = {}

    def of(self, lab: Lab) -> Module:
        """The module for the lab's traffic. Raises :class:`~bpf.loader.BpfError`."""
        own = self._defines(lab) if callable(self._defines) else self._defines
        defines = {**own, "IP_VERSION": lab.spec.ip_version}
        key = frozenset(defines.items())
        if key not in self._modules:
            self._modules[key] = Module(self._source, defines)
        return self._modules[key]


class Programs(ABC):
    """The programs of one datapath, bpf/datapaths/<name>.c, loaded for each lab.

    The source has the maps ``config`` (an array of one) and ``counts`` (a per-CPU array of u64), and may have
    ``more_maps``. It is compiled with ``defines``, once per worker process (see :class:`Compiled`).
    """

    kind: ClassVar[ProgramType]
    functions: ClassVar[Mapping[str, str]] = FUNCTIONS
    """The functions that it has, by the role of their device."""

    def __init__(self, name: str, more_maps: Sequence[str] = (), defines: Defines = MappingProxyType({})) -> None:
        self.name, self._modules, self._maps = name, Compiled(name, defines), ("config", "counts", *more_maps)

    @contextmanager
    def attached(self, lab: Lab, config: Fields, **filled: Fields) -> Iterator[Instance]:
        """Attach both programs in ``lab``. ``filled`` are the first entries of further maps, by the map's name.

        Raises ``OSError``, :class:`~bpf.loader.BpfError` or ``NetlinkError`` with nothing left behind.
        """
        module = self._modules.of(lab)
        with Instance(module, list(self.functions.values()), self._maps, self.kind) as programs:
            for name, fields in {"config": config, **filled}.items():
                programs.write(name, 0, **fields)
            with self._on_devices(lab, {role: programs.programs[name] for role, name in self.functions.items()}):
                yield programs

    @abstractmethod
    def _on_devices(self, lab: Lab, programs: Mapping[str, int]) -> AbstractContextManager[None]:
        """Attach the programs (device role → file descriptor) to the DUT's devices."""
