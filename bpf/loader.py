"""Compile, load, attach, detach. The only ``import bcc``.

C sources take ``-D`` constants; their text is never rewritten. BCC compiles against kernel headers whose struct
layouts need not be the running kernel's, so a C source never dereferences a kernel struct through them: offsets come
from the kernel's BTF as constants (see the probes).
"""

import atexit
import contextlib
import ctypes
from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent
SOURCE_DIRS = [ROOT]
"""Where C sources are looked for, in this order. A package of further variants appends its own directory."""
UNKNOWN = "[unknown]"  # a function without a name


class ProgramType(IntEnum):
    """enum bpf_prog_type, include/uapi/linux/bpf.h."""

    SCHED_CLS = 3
    TRACEPOINT = 5
    XDP = 6
    SOCK_OPS = 13
    SK_SKB = 14
    SK_MSG = 16
    RAW_TRACEPOINT = 17
    CGROUP_SOCK_ADDR = 18
    SK_LOOKUP = 30


class BpfError(RuntimeError):
    """A program could not be compiled, loaded or attached; the message says which and why."""


def source_path(source: str) -> Path:
    """The file of a C source, named by its path below one of :data:`SOURCE_DIRS`; absolute paths stay as they are."""
    return next((path for path in (place / source for place in SOURCE_DIRS) if path.exists()), ROOT / source)


class Module:
    """One compiled C source with its maps and loaded programs. Close it, or leave its context, to free both."""

    def __init__(self, source: str, defines: Mapping[str, int | str] | None = None) -> None:
        """Compile ``source`` (:func:`source_path`). ``TRACEPOINT_PROBE`` and ``RAW_TRACEPOINT_PROBE`` attach at once.

        Raises :class:`BpfError`.
        """
        try:
            from bcc import BPF
        except ImportError as error:
            raise BpfError("BCC is not installed; install Debian's python3-bpfcc") from error
        flags = [
            f"-I{ROOT / 'include'}",
            "-Wno-macro-redefined",
            *(f"-D{k}={v}" for k, v in (defines or {}).items()),
        ]
        self.source = source
        self._rings_open = False
        # Two steps: BCC keeps what it attached before it failed until the process ends, so it is undone here.
        self._bpf: Any = BPF.__new__(BPF)
        try:
            self._bpf.__init__(src_file=bytes(source_path(source)), cflags=flags)
        except Exception as error:  # BCC raises bare Exception; its compiler's words go to standard error
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

    def per_cpu_words(self, name: str, index: int) -> list[tuple[int, ...]]:
        """One entry of a per-CPU array, as u64 words for each CPU. Its size must be a multiple of 8."""
        return [tuple(memoryview(bytes(value)).cast("Q")) for value in self._bpf[name.encode()][ctypes.c_int(index)]]

    def write(self, name: str, key: int, value: bytes) -> None:
        """Set one entry of a map with 32-bit keys. Raises :class:`BpfError` when it is full or the size is wrong."""
        table = self._bpf[name.encode()]
        if len(value) != ctypes.sizeof(table.Leaf):
            raise BpfError(f"bpf/{self.source}: an entry of {name} has {ctypes.sizeof(table.Leaf)} bytes")
        try:
            table[table.Key(key)] = table.Leaf.from_buffer_copy(value)
        except Exception as error:  # BCC raises bare Exception
            raise BpfError(f"bpf/{self.source}: {name}[{key}]: {error}") from error

    def remove(self, name: str, key: int) -> None:
        """Delete one entry of a map with 32-bit keys; harmless when there is none."""
        table = self._bpf[name.encode()]
        with contextlib.suppress(KeyError):
            del table[table.Key(key)]

    def on_ring(self, name: str, callback: Callable[[bytes], None]) -> None:
        """Call ``callback(record)`` for each record of a ring buffer, from within :meth:`drain`."""

        def receive(_context: Any, data: Any, size: int) -> int:
            callback(ctypes.string_at(data, size))
            return 0

        self._bpf[name.encode()].open_ring_buffer(receive)
        self._rings_open = True

    def drain(self) -> None:
        """Hand over every record that waits in the ring buffers; does not block."""
        if self._rings_open:
            self._bpf.ring_buffer_consume()

    def sample_cpus(self, function: str, hertz: int) -> None:
        """Run ``function`` so many times per second of CPU time on each CPU that is busy (a perf event, CPU clock)."""
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

    def taken(self, name: str) -> dict[bytes, bytes]:
        """Every entry of a hash map, which is empty afterwards."""
        table = self._bpf[name.encode()]
        found = {bytes(key): bytes(value) for key, value in table.items()}
        for key in found:
            with contextlib.suppress(KeyError):
                del table[table.Key.from_buffer_copy(key)]
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
        atexit.unregister(self._bpf.cleanup)  # BCC registers it, and so would keep every module for ever

    def __enter__(self) -> "Module":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class KernelSymbols:
    """Names of kernel functions, by BCC's cache.

    There is none for processes: for each module that it reads, libbcc 0.26 closes a descriptor by an uninitialised
    number (ProcSyms::ModulePath), which may be anybody's. probes/symbols.py reads them itself.
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
