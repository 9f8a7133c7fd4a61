"""Function names for the addresses in a process's stack: its memory map, and its files' symbols (ELF)."""

import bisect
import os
from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from bpf.loader import UNKNOWN

MAX_FILES = 256  # cached files; programs of labs use several dozen


@dataclass(frozen=True)
class Functions:
    """The functions of one ELF file, sorted by their offset."""

    starts: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()
    names: tuple[str, ...] = ()

    def at(self, offset: int) -> str:
        """The function that covers an offset of the file, or the empty string."""
        index = bisect.bisect_right(self.starts, offset) - 1
        return self.names[index] if index >= 0 and offset < self.ends[index] else ""


@dataclass(frozen=True)
class Mapping:
    """A mapped part of a file in a process's memory."""

    start: int
    end: int
    offset: int
    path: str


class UserSymbols:
    """Names for addresses of live processes; files' symbols are cached."""

    def __init__(self) -> None:
        self._maps: dict[int, list[Mapping]] = {}
        self._files: dict[tuple[int, int], Functions] = {}

    def name(self, process: int, address: int) -> str:
        """A function's name, else the program or library as ``[haproxy]``, else ``UNKNOWN``."""
        if process not in self._maps:
            self._maps[process] = mappings(process)
        maps = self._maps[process]
        index = bisect.bisect_right(maps, address, key=lambda m: m.start) - 1
        if index < 0 or address >= maps[index].end:
            return UNKNOWN
        found = maps[index]
        if not found.path.startswith("/"):
            return found.path or UNKNOWN  # [vdso], [heap]
        return self._functions(process, found.path).at(address - found.start + found.offset) or f"[{_stem(found.path)}]"

    def forget(self) -> None:
        """Forget the processes, because process ids are reused."""
        self._maps.clear()

    def _functions(self, process: int, path: str) -> Functions:
        # The path as the process sees it, which may have another root directory.
        try:
            with open(f"/proc/{process}/root{path}", "rb") as file:
                status = os.fstat(file.fileno())
                key = status.st_dev, status.st_ino
                if key not in self._files:
                    if len(self._files) >= MAX_FILES:
                        self._files.clear()
                    self._files[key] = functions(ELFFile(file))
                return self._files[key]
        except (OSError, ELFError):  # the process ended, or the file was replaced or is not ELF
            return Functions()


def mappings(process: int) -> list[Mapping]:
    """The executable mappings of a process, by address; empty if it has ended (proc(5), /proc/pid/maps)."""
    try:
        lines = Path(f"/proc/{process}/maps").read_text(errors="replace").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        span, permissions, offset, _device, _inode, *path = line.split(maxsplit=5)
        if "x" in permissions:
            start, _, end = span.partition("-")
            found.append(Mapping(int(start, 16), int(end, 16), int(offset, 16), path[0].rstrip() if path else ""))
    return found


def functions(elf: ELFFile) -> Functions:
    """The functions of a file's symbol tables, including the dynamic one: stripped programs have no other."""
    segments = [s for s in elf.iter_segments() if s["p_type"] == "PT_LOAD"]
    found: dict[int, tuple[int, str]] = {}
    for section in elf.iter_sections():
        if not isinstance(section, SymbolTableSection):
            continue
        for symbol in section.iter_symbols():
            if symbol["st_info"]["type"] not in ("STT_FUNC", "STT_LOOS") or not symbol["st_size"] or not symbol.name:
                continue
            address = symbol["st_value"]
            for segment in segments:
                if segment["p_vaddr"] <= address < segment["p_vaddr"] + segment["p_filesz"]:
                    offset = address - segment["p_vaddr"] + segment["p_offset"]
                    found.setdefault(offset, (offset + symbol["st_size"], symbol.name))
                    break
    ordered = sorted(found.items())
    return Functions(
        starts=tuple(start for start, _ in ordered),
        ends=tuple(end for _, (end, _) in ordered),
        names=tuple(name for _, (_, name) in ordered),
    )


def _stem(path: str) -> str:
    return os.path.basename(path.removesuffix(" (deleted)"))
