"""What the systemd units forbid fails. What their programs need works: the stack of tests/e2e is confined, too."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from domain.hosts.environment import PYTHON_OPTIONS
from tests import confinement
from tests.servers import own_environment

pytestmark = pytest.mark.skipif(not confinement.is_possible(), reason="systemd-analyze or libseccomp is not installed")

ATTEMPTS = """
import ctypes, errno, mmap, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)

def tried(call):
    try:
        call()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"

def call(name, *arguments):
    if libc[name](*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)

print(
    tried(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)),
    tried(lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)),
    tried(lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)),
    tried(lambda: call("unshare", 0x40000000)),
    tried(lambda: os.chown(sys.argv[1], os.getuid(), os.getgid())),
    tried(lambda: call("init_module", 0, 0, 0)),
    tried(lambda: call("swapoff", sys.argv[1].encode())),
)
"""
FORBIDDEN = {
    "coordinator": "EAFNOSUPPORT EAFNOSUPPORT EPERM EPERM EPERM EPERM EPERM",
    "worker": "done EAFNOSUPPORT done done done EPERM EPERM",
}


@pytest.mark.skipif(os.geteuid() != 0, reason="the worker is root")
@pytest.mark.parametrize("unit", FORBIDDEN)
def test_what_a_unit_forbids_fails(unit: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    argv = [sys.executable, *PYTHON_OPTIONS, "-c", ATTEMPTS, str(tmp_path / "file")]
    free = subprocess.run(argv, env=own_environment(), capture_output=True, text=True, check=True).stdout.split()
    found = subprocess.run(
        confinement.confined(unit, argv), env=own_environment(), capture_output=True, text=True, check=True
    ).stdout.split()
    assert found == FORBIDDEN[unit].split()
    assert free[:1] + free[2:5] == ["done"] * 4
