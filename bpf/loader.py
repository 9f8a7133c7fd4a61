"""Compile, load, attach, detach. The only ``import bcc``.

C sources take ``-D`` constants; their statements are never rewritten here. BCC compiles against kernel headers whose
struct layouts can differ from the running kernel's. So a C source never dereferences a kernel struct through them: it
gets the offsets from the kernel's BTF as constants (bpf/btf.py).

BCC turns ``map.lookup()`` and the like into helper calls, but in the main source file only. Headers of bpf/include
access maps too, so :func:`joined` puts their text in place of ``#include "..."``: BCC then sees a single file.
"""

import atexit
import contextlib
import ctypes
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bpf import few_symbols
from bpf.enums import ProgramType
from bpf.layout import LayoutError, Value, made

ROOT = Path(__file__).parent
_INCLUDE = re.compile(r'#include "(.+)"')
SOURCE_DIRS = [ROOT]
"""Where C sources are looked for, in this order. A package of further variants appends its own directory."""
UNKNOWN = "[unknown]"  # a function without a name


def source_path(source: str) -> Path:
    """The file of a C source, named by its path below one of :data:`SOURCE_DIRS`; absolute paths stay as they are."""
    return next((path for path in (place / source for place in SOURCE_DIRS) if path.exists()), ROOT / source)


def joined(source: str) -> str:
    """The text of ``source`` (see :func:`source_path`) with the text of the headers that it includes from bpf/include.

    ``#line`` directives keep the compiler's messages at the right file and line. Raises ``OSError``.
    """
    return "\n".join(_lines(source_path(source)))


def _lines(path: Path) -> Iterator[str]:
    yield f'#line 1 "{path}"'
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if header := _INCLUDE.fullmatch(line):
            yield from _lines(ROOT / "include" / header[1])
            yield f'#line {number + 1} "{path}"'
        else:
            yield line


class BpfError(RuntimeError):
    """A program could not be compiled, loaded or attached; the message says which and why."""


class Module:
    """One compiled C source with its maps and loaded programs. Close it, or leave its context, to free both."""

    def __init__(self, source: str, defines: Mapping[str, int | str] | None = None) -> None:
        """Compile ``source`` (:func:`source_path`). ``TRACEPOINT_PROBE`` and ``RAW_TRACEPOINT_PROBE`` attach at once.

        Raises :class:`BpfError`.
        """
        try:
            from bcc import BPF
        except (ImportError, OSError) as error:  # the module or its library is missing
            raise BpfError(f"BCC is not installed ({error}); install Debian's python3-bpfcc") from error
        flags = ["-Wno-macro-redefined", *(f"-D{k}={v}" for k, v in (defines or {}).items())]
        self.source = source
        self._rings_open = False
        # In two steps, so that close() can undo what BCC had attached before it failed.
        text = joined(source).encode()
        self._bpf: Any = BPF.__new__(BPF)
        try:
            few_symbols.call(lambda: self._bpf.__init__(text=text, cflags=flags))
        except Exception as error:  # BCC raises bare Exception; the compiler's messages go to standard error
            self.close()
            raise BpfError(f"bpf/{source}: {error}") from error

    def load(self, function: str, kind: ProgramType) -> int:
        """Load one function; returns the program's file descriptor, owned by this module."""
        try:
            return int(self._bpf.load_func(function.encode(), int(kind)).fd)
        except Exception as error:
            raise BpfError(f"bpf/{self.source}: {function}: {error}") from error

    def table(self, name: str) -> Any:
        """A map as a BCC table."""
        return self._bpf[name.encode()]

    def map_fd(self, name: str) -> int:
        """A map's file descriptor, for map types that BCC's tables do not know."""
        from bcc import lib

        fd = int(lib.bpf_table_fd(self._bpf.module, name.encode()))
        if fd < 0:
            raise BpfError(f"bpf/{self.source}: no map {name}")
        return fd

    def instructions(self, function: str) -> bytes:
        """One function's compiled instructions; its maps are this module's, by file descriptor (bpf/instance.py)."""
        from bcc import lib

        name = function.encode()
        start = lib.bpf_function_start(self._bpf.module, name)
        if not start:
            raise BpfError(f"bpf/{self.source}: no function {function}")
        return ctypes.string_at(start, lib.bpf_function_size(self._bpf.module, name))

    def layout(self, name: str) -> Any:
        """The ctypes type of a map's values, as BCC derived it from the C source; of a per-CPU map, of one CPU's."""
        table = self._bpf[name.encode()]
        return getattr(table, "sLeaf", table.Leaf)

    def value(self, name: str, value: int | None, fields: Mapping[str, Value]) -> Any:
        """A value of a map, from a number or the fields of its structure (bpf/layout.py). Raises :class:`BpfError`."""
        try:
            return made(self.layout(name), fields if value is None else value, name)
        except LayoutError as error:
            raise BpfError(f"bpf/{self.source}: {error}") from error

    def per_cpu(self, name: str, index: int) -> list[Any]:
        """One entry of a per-CPU array: a value for each CPU, with the field names of C."""
        return list(self._bpf[name.encode()][ctypes.c_int(index)])

    def write(self, name: str, key: int, value: int | None = None, /, **fields: Value) -> None:
        """Set one entry of a map with 32-bit keys, to a number or by the fields of its structure.

        Raises :class:`BpfError` when the map is full, or the value does not fit its C type.
        """
        made_value = self.value(name, value, fields)
        table = self._bpf[name.encode()]
        try:
            table[table.Key(key)] = made_value
        except Exception as error:  # BCC raises bare Exception
            raise BpfError(f"bpf/{self.source}: {name}[{key}]: {error}") from error

    def remove(self, name: str, key: int) -> None:
        """Delete one entry of a map with 32-bit keys; harmless when there is none."""
        table = self._bpf[name.encode()]
        with contextlib.suppress(KeyError):
            del table[table.Key(key)]

    def on_ring(self, name: str, callback: Callable[[Any], None]) -> None:
        """Call ``callback(record)`` for each record of a ring buffer, from within :meth:`drain`.

        A record has the fields of the C structure that is put out. It is valid during the call only.
        """
        ring = self._bpf[name.encode()]

        def receive(_context: Any, data: Any, _size: int) -> int:
            callback(ring.event(data))
            return 0

        ring.open_ring_buffer(receive)
        self._rings_open = True

    def drain(self) -> None:
        """Deliver every record that waits in the ring buffers; does not block."""
        if self._rings_open:
            self._bpf.ring_buffer_consume()

    def sample_cpus(self, function: str, hertz: int) -> None:
        """Run ``function`` ``hertz`` times per second on each CPU (a perf event, CPU clock)."""
        from bcc import PerfSWConfig, PerfType

        try:
            self._bpf.attach_perf_event(
                ev_type=PerfType.SOFTWARE,
                ev_config=PerfSWConfig.CPU_CLOCK,
                fn_name=function.encode(),
                sample_freq=hertz,
            )
        except Exception as error:
            raise BpfError(f"bpf/{self.source}: {function}: {error}") from error

    def taken(self, name: str) -> list[tuple[Any, Any]]:
        """Every entry of a hash map, with the field names of C. The map is empty afterwards."""
        table = self._bpf[name.encode()]
        found = list(table.items())
        for key, _ in found:
            with contextlib.suppress(KeyError):
                del table[key]
        return found

    def stack(self, name: str, number: int) -> list[int]:
        """The addresses of one stack of a stack-trace map, innermost first; empty when it is not there."""
        try:
            return list(self._bpf[name.encode()].walk(number))
        except KeyError:
            return []

    def forget_stacks(self, name: str, numbers: Iterable[int]) -> None:
        """Make room for others in a stack-trace map."""
        table = self._bpf[name.encode()]
        for number in numbers:
            with contextlib.suppress(KeyError):
                del table[table.Key(number)]

    def close(self) -> None:
        """Detach and unload everything; harmless when repeated."""
        self._bpf.cleanup()
        atexit.unregister(self._bpf.cleanup)  # BCC registers it, which would keep every module until the process ends

    def __enter__(self) -> "Module":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class KernelSymbols:
    """Names of kernel functions, from BCC's symbol cache.

    BCC's cache for processes is not used: for each module that it reads, libbcc 0.26 closes a file descriptor whose
    number it never initialised (ProcSyms::ModulePath). It can be any of this process. probes/symbols.py reads the
    symbols of processes itself.
    """

    def __init__(self) -> None:
        self._cache: Any = None

    def name(self, address: int) -> str:
        """A function's name, or :data:`UNKNOWN`."""
        from bcc import SymbolCache

        if self._cache is None:
            self._cache = SymbolCache(-1)
        name, _, _ = self._cache.resolve(address, False)
        return (name or b"").decode(errors="replace") or UNKNOWN
