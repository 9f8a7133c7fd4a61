"""Two machines of one name are found out, whatever their clocks say; a machine that booted again is welcome."""

import pytest

from domain.hosts.host_identity import HostIdentity, KnownMachine, conflict
from domain.values.names import MAX_HOST_NAME, host_name_of, is_host_name

NOW = 1_000_000.0
A, B, BOOT, LATER_BOOT = "a" * 32, "b" * 32, "1" * 32, "2" * 32


def refusal(known: KnownMachine, machine: str, boot: str, up_s: float = 5000.0) -> str:
    return conflict("vm", known, HostIdentity(machine=machine, boot=boot, up_s=up_s), NOW, online_s=60.0)


def test_a_second_live_machine_is_refused_with_the_remedy() -> None:
    text = refusal(KnownMachine(A, BOOT, NOW - 59), B, LATER_BOOT)
    for part in ("host vm is online on another machine", A[:8], B[:8], "SHOWDOWN_HOST", "wait 60 s"):
        assert part in text


@pytest.mark.parametrize(
    ("known", "machine", "boot", "up_s"),
    [
        (KnownMachine(A, BOOT, NOW - 30), A, BOOT, 5000.0),
        (KnownMachine(A, BOOT, NOW - 61), B, LATER_BOOT, 5000.0),  # it replaces one that is silent
        (KnownMachine(A, BOOT, NOW - 30), A, LATER_BOOT, 10.0),  # booted since it was seen
        (KnownMachine("", "", NOW), B, BOOT, 5000.0),  # an older worker stated no machine
        (KnownMachine(A, BOOT, NOW), "", "", 0.0),
    ],
)
def test_the_same_machine_is_welcome(known: KnownMachine, machine: str, boot: str, up_s: float) -> None:
    assert refusal(known, machine, boot, up_s) == ""


def test_a_copy_with_the_same_machine_id_is_found_out_by_its_boot() -> None:
    assert "one is a copy of the other" in refusal(KnownMachine(A, BOOT, NOW - 10), A, LATER_BOOT, up_s=4000.0)


@pytest.mark.parametrize(
    ("node_name", "name"),
    [
        ("vm", "vm"),
        ("vm.berlin.example.net", "vm.berlin.example.net"),
        ("a" * 62 + "-b", "a" * 62 + "-b"),
        ("A_B.Example.", "a-b.example"),
        ("-x-.y", "x.y"),
        ("...", "host"),
        ("ünï", "n"),
        ("x" * 300, "x" * 253),
        ("x" * 252 + "-yz", "x" * 252),
    ],
)
def test_any_node_name_gives_a_host_name(node_name: str, name: str) -> None:
    assert host_name_of(node_name) == name
    assert is_host_name(name)


@pytest.mark.parametrize(
    "name", ["", "a..b", ".a", "a.", "-a", "a-", "a.-b", "A", "a_b", "a\n", "x" * (MAX_HOST_NAME + 1)]
)
def test_what_is_no_host_name(name: str) -> None:
    assert not is_host_name(name)
