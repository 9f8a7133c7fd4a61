"""Function names for addresses, from the process's memory map and its files."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bpf.loader import UNKNOWN
from probes.symbols import Mapping, UserSymbols, mappings


def address_of(name: str) -> int:
    return ctypes.cast(getattr(ctypes.CDLL(None), name), ctypes.c_void_p).value or 0


@pytest.mark.parametrize("name", ["strtol", "getpid", "qsort", "PyErr_Fetch"])
def test_a_function_is_found_anywhere_within_it(name: str) -> None:
    symbols = UserSymbols()
    start = address_of(name)
    for offset in (0, 1, 3):
        found = symbols.name(os.getpid(), start + offset)
        # A function may have several names (getpid and __getpid): each of them is right.
        assert address_of(found.partition("@")[0]) == start if hasattr(ctypes.CDLL(None), found) else name in found


def test_what_has_no_symbol_is_named_by_its_file() -> None:
    libc = next(m for m in mappings(os.getpid()) if "libc.so" in m.path)
    assert UserSymbols().name(os.getpid(), libc.end - 1) == "[libc.so.6]"


def test_what_is_nowhere_is_unknown() -> None:
    symbols = UserSymbols()
    assert symbols.name(os.getpid(), 0) == UNKNOWN
    assert symbols.name(os.getpid(), 1 << 62) == UNKNOWN
    assert any(m.path == "[vdso]" and symbols.name(os.getpid(), m.start) == "[vdso]" for m in mappings(os.getpid()))


def test_a_process_that_has_ended_has_no_names() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    symbols = UserSymbols()
    assert symbols.name(gone.pid, address_of("qsort")) == UNKNOWN


def test_no_descriptor_is_left_or_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Why this project has its own symbol table: see bpf.loader.KernelSymbols."""
    (tmp_path / "no-elf").write_bytes(b"#!")
    libc = next(m.path for m in mappings(os.getpid()) if "libc.so" in m.path)
    # One of each kind: readable, not an ELF file, missing, no file at all. More of a kind only take longer.
    paths = [libc, str(tmp_path / "no-elf"), str(tmp_path / "gone"), "[vdso]"]
    memory = [Mapping(at << 20, (at << 20) + 4096, 0, path) for at, path in enumerate(paths, start=1)]
    monkeypatch.setattr("probes.symbols.mappings", lambda process: memory)
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(50)]
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        symbols = UserSymbols()
        names = [symbols.name(os.getpid(), mapping.start) for mapping in memory]
        assert names == [f"[{os.path.basename(path)}]" if path != "[vdso]" else path for path in paths]
    assert os.listdir("/proc/self/fd") == before
    for fd in held:
        os.close(fd)
