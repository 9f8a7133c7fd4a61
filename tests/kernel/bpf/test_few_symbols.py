"""A compilation sees few of the kernel's symbols, and gives the same programs; all others see all."""

from pathlib import Path

import pytest

from bpf import few_symbols
from bpf.few_symbols import KALLSYMS, call
from bpf.loader import BpfError, Module

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

WANTED = " bpf_probe_read_kernel\n"
"""What libbcc 0.26 looks for."""


def symbols() -> str:
    return Path(KALLSYMS).read_text()


def own(symbols: str) -> list[str]:
    """The kernel's own: other tests load and unload programs meanwhile."""
    return [line for line in symbols.splitlines() if not line.endswith("[bpf]")]


def test_a_compilation_sees_the_symbols_of_bpf_alone() -> None:
    seen: list[str] = []
    every = symbols()
    call(lambda: seen.append(symbols()))
    (few,) = seen
    assert WANTED in few
    assert WANTED in every
    assert set(own(few)) < set(own(every))
    assert few.count("\n") < every.count("\n") / 10
    assert own(symbols()) == own(every), "no other thread"
    assert KALLSYMS not in Path("/proc/self/mountinfo").read_text()


def without_maps(instructions: bytes) -> bytes:
    """The instructions without the file descriptors of the maps that they load."""
    out = bytearray(instructions)
    for at in range(0, len(out), 8):
        if out[at] == 0x18 and out[at + 1] >> 4 == 1:  # BPF_LD | BPF_IMM | BPF_DW, BPF_PSEUDO_MAP_FD
            out[at + 4 : at + 8] = bytes(4)
    return bytes(out)


def test_a_program_is_the_same_without_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    with Module("datapaths/ebpf_redirect.c", {"IP_VERSION": 4}) as quick:
        monkeypatch.setattr(few_symbols, "call", lambda function: function())
        with Module("datapaths/ebpf_redirect.c", {"IP_VERSION": 4}) as usual:
            found = [without_maps(module.instructions("from_client")) for module in (quick, usual)]
    assert len(found[0]) > 100
    assert found[0] == found[1]


def test_without_the_privilege_all_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        def unshare(self, _: int) -> int:
            return -1

    seen: list[str] = []
    monkeypatch.setattr(few_symbols, "LIBC", Refusing())
    call(lambda: seen.append(symbols()))
    assert [own(one) for one in seen] == [own(symbols())]


def test_what_a_compilation_raises_is_the_callers() -> None:
    with pytest.raises(BpfError, match=r"bpf/minimal\.c: Failed to compile"):
        Module("minimal.c", {"int": "nothing"})
