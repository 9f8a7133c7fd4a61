"""Raw tracepoint programs of several modules, chained so that each tracepoint has a single attached program.

On the reference machine (Linux 6.18, a virtual machine) the kernel takes 0.17 ms to attach a program to a tracepoint
without one. To detach it takes 0.15 ms: the kernel patches its own text. To detach the second program of a tracepoint
takes 6 ms, and each program that runs costs 25 ns before its first instruction. So only the first program of each
tracepoint is attached, and each program ends with a tail call to the next (bpf/include/probe.h). A gate (bpf/gate.c)
can precede the first program: one write to it makes all programs start or stop to see events at the same time.
"""

import ctypes
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from bpf.enums import MapType, ProgramType
from bpf.instance import ArrayEntry, Instance, MapShape, create_map, delete_entry, write_entry
from bpf.links import attach_raw_tracepoint
from bpf.loader import BpfError, Module

_ENTRY_BYTES = 4
GATES = 24  # as many as gate.c has: the most tracepoints that all probes together can use


@dataclass(frozen=True)
class Hook:
    """A loaded program for a raw tracepoint, and the slot of a program array where its tail call finds the next one."""

    tracepoint: str
    program: int
    next_map: int
    slot: int


class Gate:
    """Programs that call others while the gate is open, and return at once while it is closed. At first it is."""

    def __init__(self, firsts: Mapping[str, int]) -> None:
        """Put a program before each of ``firsts``, by tracepoint: :attr:`programs`. Raises :class:`BpfError`."""
        if len(firsts) > GATES:
            raise BpfError(
                f"a gate has room for {GATES} tracepoints, not for {len(firsts)}: raise GATES, and in gate.c"
            )
        names = [f"gate_{slot}" for slot in range(len(firsts))]
        self._instance = Instance(_compiled(), names, ("is_open", "first"), ProgramType.RAW_TRACEPOINT)
        self._state = ArrayEntry(self._instance.map_fd("is_open"), 0, ctypes.c_uint64)
        self.programs = {
            tracepoint: self._instance.programs[name] for tracepoint, name in zip(firsts, names, strict=True)
        }
        try:
            for slot, program in enumerate(firsts.values()):
                write_entry(self._instance.map_fd("first"), slot, _entry(program))
        except BpfError:
            self.close()
            raise

    def turn(self, *, is_open: bool) -> None:
        """Open or close the gate, for all tracepoints at once. Raises :class:`BpfError`."""
        self._state.value.value = int(is_open)
        self._state.write()

    def close(self) -> None:
        """Free it; harmless when repeated."""
        self._instance.close()


class Chain:
    """Programs on tracepoints, attached and detached together. Closing it unlinks them from each other."""

    def __init__(self, hooks: Iterable[Hook], *, gated: bool = False) -> None:
        """Link the hooks of each tracepoint in their order, behind a gate or not.

        Raises :class:`BpfError` with nothing linked.
        """
        self._hooks: dict[str, list[Hook]] = {}
        self._links: dict[str, int] = {}
        self._gate: Gate | None = None
        for hook in hooks:
            self._hooks.setdefault(hook.tracepoint, []).append(hook)
        self._firsts = {tracepoint: chained[0].program for tracepoint, chained in self._hooks.items()}
        try:
            for chained in self._hooks.values():
                for hook, following in pairwise(chained):
                    write_entry(hook.next_map, hook.slot, _entry(following.program))
            if gated and self._firsts:
                self._gate = Gate(self._firsts)
                self._firsts = self._gate.programs
        except BpfError:
            self.close()
            raise

    @property
    def attached(self) -> frozenset[str]:
        """The tracepoints that are attached now."""
        return frozenset(self._links)

    def attach(self, tracepoints: Collection[str] | None = None) -> None:
        """Attach to these tracepoints, or to all, if not attached yet. Raises :class:`BpfError` with all detached."""
        wanted = self._firsts.keys() if tracepoints is None else self._firsts.keys() & tracepoints
        try:
            for tracepoint in [name for name in self._firsts if name in wanted and name not in self._links]:
                self._links[tracepoint] = attach_raw_tracepoint(self._firsts[tracepoint], tracepoint)
        except BpfError:
            self.detach()
            raise

    def detach(self, keep: Collection[str] = ()) -> None:
        """Detach from all tracepoints but these; harmless when repeated."""
        for tracepoint in [name for name in self._links if name not in keep]:
            os.close(self._links.pop(tracepoint))

    def turn(self, *, is_open: bool) -> None:
        """Open or close the gate, if there is one: while it is closed the programs see nothing."""
        if self._gate is not None:
            self._gate.turn(is_open=is_open)

    def close(self) -> None:
        """Detach and unlink; harmless when repeated."""
        self.detach()
        if self._gate is not None:
            self._gate.close()
        self._gate, self._firsts = None, {}
        for chained in self._hooks.values():
            for hook in chained[:-1]:
                delete_entry(hook.next_map, hook.slot)
        self._hooks.clear()


def program_array(slots: int) -> int:
    """Create an array of programs to tail-call; returns its file descriptor. Closing that empties the array."""
    return create_map("next", MapShape(MapType.PROG_ARRAY, _ENTRY_BYTES, _ENTRY_BYTES, slots, 0))


def _entry(program: int) -> "ctypes.Array[ctypes.c_char]":
    return ctypes.create_string_buffer(program.to_bytes(_ENTRY_BYTES, "little"), _ENTRY_BYTES)


@cache
def _compiled() -> Module:
    return Module("gate.c", {"GATES": GATES})
