"""Run a program as a systemd unit would confine it, without systemd: system calls, address families, capabilities.

    python tests/confinement.py worker program argument …

Read from the unit: ``SystemCallFilter``, ``MemoryDenyWriteExecute``, ``RestrictNamespaces``, ``RestrictRealtime``,
``RestrictSUIDSGID``, ``RestrictAddressFamilies``, ``LockPersonality``, ``CapabilityBoundingSet``. systemd enforces them
by seccomp and by the bounding set, too. Its other settings need mounts, or a user for the unit alone.
"""

import ctypes
import errno
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from domain.hosts.environment import PYTHON_OPTIONS

LIBRARY = "libseccomp.so.2"
_UNITS = Path(__file__).parents[1] / "deploy" / "systemd"
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NOT_EQUAL, _EQUAL, _MASKED = 1, 4, 7
_FAMILIES = 64
_Rule = tuple[Any, ...]
"""A system call, and comparisons that must all be true: (argument, operation, value or mask, masked value)."""


def _with_bits(call: str, argument: int, bits: int) -> _Rule:
    return call, (argument, _MASKED, bits, bits)


_PROT_WRITE, _PROT_EXEC, _SHM_EXEC = 2, 4, 0o100000
_NAMESPACES = (0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)
_REAL_TIME = (1, 2, 6)  # FIFO, RR, DEADLINE
_REFUSED: dict[str, list[_Rule]] = {
    "MemoryDenyWriteExecute": [
        _with_bits("mmap", 2, _PROT_WRITE | _PROT_EXEC),
        _with_bits("mprotect", 2, _PROT_EXEC),
        _with_bits("pkey_mprotect", 2, _PROT_EXEC),
        _with_bits("shmat", 2, _SHM_EXEC),
    ],
    "RestrictNamespaces": [
        ("setns",),
        *(_with_bits(call, 0, flag) for flag in _NAMESPACES for call in ("clone", "unshare")),
    ],
    "RestrictRealtime": [("sched_setscheduler", (1, _EQUAL, policy, 0)) for policy in _REAL_TIME],
    "RestrictSUIDSGID": [
        _with_bits(call, argument, bit)
        for call, argument in (("chmod", 1), ("fchmod", 1), ("fchmodat", 2), ("mkdirat", 2), ("openat", 3))
        for bit in (0o4000, 0o2000)
    ],
    "LockPersonality": [("personality", (0, _NOT_EQUAL, 0, 0))],
}


class _Compare(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operation", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    )


def is_possible() -> bool:
    """Whether this host has what this module needs."""
    try:
        ctypes.CDLL(LIBRARY)
    except OSError:
        return False
    return shutil.which("systemd-analyze") is not None and shutil.which("setpriv") is not None


def settings(unit: str) -> dict[str, list[str]]:
    """Every setting of the unit's service with its values, in order: systemd adds up the lines of a list."""
    found: dict[str, list[str]] = {}
    for line in (_UNITS / f"showdown-{unit}.service").read_text(encoding="utf-8").splitlines():
        name, separator, value = line.partition("=")
        if separator and not name.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


@cache
def _members(name: str) -> frozenset[str]:
    """The system calls of a set (``@name``), or the call itself."""
    if not name.startswith("@"):
        return frozenset({name})
    argv = ["systemd-analyze", "syscall-filter", "--no-pager", name]
    text = subprocess.run(argv, env=dict(os.environ), capture_output=True, encoding="utf-8", check=True).stdout
    inner = [line.strip() for line in text.splitlines()[1:] if line.strip() and not line.strip().startswith("#")]
    return frozenset().union(*map(_members, inner))


class Filter:
    """A seccomp filter of libseccomp that is being built."""

    def __init__(self, default: int) -> None:
        self._library = ctypes.CDLL(LIBRARY, use_errno=True)
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.seccomp_init(ctypes.c_uint32(default)))
        self.default = default

    def add(self, action: int, call: str, *compares: tuple[int, int, int, int]) -> None:
        """A rule for a call whose arguments compare so. A call that this machine does not have is left out."""
        number = self._library.seccomp_syscall_resolve_name(call.encode())
        if number < 0 or action == self.default:
            return
        rows = (_Compare * len(compares))(*(_Compare(*one) for one in compares))
        arguments = self._context, ctypes.c_uint32(action), number, ctypes.c_uint(len(compares)), rows
        if (status := self._library.seccomp_rule_add_array(*arguments)) not in (0, -errno.EEXIST):
            raise OSError(-status, f"no rule for {call}: {os.strerror(-status)}")

    def load(self) -> None:
        """Apply it to this process and all that it starts."""
        if status := self._library.seccomp_load(self._context):
            raise OSError(-status, f"the filter was not loaded: {os.strerror(-status)}")


def _refusal(number: int) -> int:
    return _ERRNO | number


def call_filter(lines: Iterable[str]) -> Filter:
    """The filter of ``SystemCallFilter``: the first line says whether it lists what is allowed or what is not."""
    listed: set[str] = set()
    refusing = None
    for line in lines:
        inverted = line.startswith("~")
        calls = frozenset().union(*map(_members, line.removeprefix("~").split()))
        refusing = inverted if refusing is None else refusing
        listed = listed | calls if inverted == refusing else listed - calls
    made = Filter(_ALLOW if refusing else _refusal(errno.EPERM))
    for call in sorted(listed):
        made.add(_refusal(errno.EPERM) if refusing else _ALLOW, call)
    return made


def further_filters(unit: dict[str, list[str]]) -> list[Filter]:
    """The filters of the other settings, each by itself as in systemd: the strictest of all decides."""
    made = []
    for setting, rules in _REFUSED.items():
        if unit.get(setting, [""])[-1] == "yes":
            made.append(Filter(_ALLOW))
            for call, *compares in rules:
                made[-1].add(_refusal(errno.EPERM), call, *compares)
    if families := " ".join(unit.get("RestrictAddressFamilies", [])).split():
        made.append(Filter(_ALLOW))
        for family in set(range(_FAMILIES)) - {int(getattr(socket, name)) for name in families}:
            made[-1].add(_refusal(errno.EAFNOSUPPORT), "socket", (0, _EQUAL, family, 0))
    return made


def confined(unit: str, argv: list[str]) -> list[str]:
    """The command that runs ``argv`` as the unit would confine it."""
    names = " ".join(settings(unit)["CapabilityBoundingSet"]).lower().replace("cap_", "+").split()
    capabilities = [f"--bounding-set={','.join(['-all', *names])}", "--inh-caps=-all"] if os.geteuid() == 0 else []
    return ["setpriv", "--no-new-privs", *capabilities, sys.executable, *PYTHON_OPTIONS, __file__, unit, *argv]


def main() -> None:
    """Apply the filters and become the program."""
    unit, argv = settings(sys.argv[1]), sys.argv[2:]
    first = call_filter(unit["SystemCallFilter"])
    for one in (*further_filters(unit), first):
        one.load()
    os.execvpe(argv[0], argv, dict(os.environ))


if __name__ == "__main__":
    main()
