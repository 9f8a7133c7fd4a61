"""Raw tracepoint programs of several modules, of which the kernel sees one per tracepoint.

On the reference machine (Linux 6.18, a virtual machine) attaching a program to a tracepoint without one takes 0.17 ms
and detaching it 0.15 ms: the kernel patches its own text. A second program on the same tracepoint takes 6 ms to be
detached, and each one that runs costs 25 ns before its first instruction. So the first program of each tracepoint is
attached, and each ends with a tail call to the next (bpf/include/probe.h). Before the first there may be a gate
(bpf/gate.c), by which all of them begin and end to see events at the same time, at no cost but one write.
"""

import ctypes
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from bpf.instance import ArrayEntry, Instance, MapShape, create_map, delete_entry, write_entry
from bpf.links import attach_raw_tracepoint
from bpf.loader import BpfError, Module, ProgramType

_PROG_ARRAY = 3
_ENTRY_BYTES = 4
GATES = 24  # as many as there are in gate.c: the tracepoints that all probes together may look at


@dataclass(frozen=True)
class Hook:
    """A loaded program for a raw tracepoint, and where its tail call finds the next one: a slot of a program array."""

    tracepoint: str
    program: int
    next_map: int
    slot: int


class Gate:
    """Programs that lead to others while it is open, and return at once while it is not. It begins shut."""

    def __init__(self, firsts: Mapping[str, int]) -> None:
        """A program before each of these, by tracepoint: :attr:`programs`. Raises :class:`BpfError`."""
        if len(firsts) > GATES:
            raise BpfError(
                f"a gate has room for {GATES} tracepoints, not for {len(firsts)}: raise GATES, and in gate.c"
            )
        names = [f"gate_{slot}" for slot in range(len(firsts))]
        self._instance = Instance(_compiled(), names, ("is_open", "first"), ProgramType.RAW_TRACEPOINT)
        self._state = ArrayEntry(self._instance.map_fd("is_open"), 0, 8)
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
        """Open or shut it, for all tracepoints at once. Raises :class:`BpfError`."""
        self._state.value.raw = is_open.to_bytes(8, "little")
        self._state.write()

    def close(self) -> None:
        """Free it; harmless when repeated."""
        self._instance.close()


class Chain:
    """Programs on tracepoints, attached and detached together. Close it to leave every program on its own again."""

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
        """Attach to these tracepoints, or to all, where not attached yet. Raises :class:`BpfError`, all detached."""
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
        """Open or shut the gate, if there is one: while it is shut the programs see nothing."""
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
    """An array of programs to go on to; returns its file descriptor, which the caller closes: that empties it."""
    return create_map("next", MapShape(_PROG_ARRAY, _ENTRY_BYTES, _ENTRY_BYTES, slots, 0))


def _entry(program: int) -> "ctypes.Array[ctypes.c_char]":
    return ctypes.create_string_buffer(program.to_bytes(_ENTRY_BYTES, "little"), _ENTRY_BYTES)


@cache
def _compiled() -> Module:
    return Module("gate.c", {"GATES": GATES})
