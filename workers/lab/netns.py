"""Network namespaces: made, entered and removed, compatible with ``ip netns``.

A namespace is entered by a thread made for it, so the process itself never leaves its own. Sockets, open files and
children made in that thread stay in the namespace. No new mount namespace is made: pins below /sys/fs/bpf stay visible.
"""

import ctypes
import os
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from domain.hosts.environment import program_environment
from domain.values.texts import error_text
from workers.lab import unprivileged

DIRECTORY = Path("/run/netns")
CLONE_NEWNET = 0x40000000
MS_BIND, MS_REC, MS_SHARED = 0x1000, 0x4000, 0x100000
MNT_DETACH = 2
ENOENT, EINVAL = 2, 22

T = TypeVar("T")

LIBC = ctypes.CDLL(None, use_errno=True)


def create(name: str) -> None:
    """Make a namespace and its entry in /run/netns. Raises ``FileExistsError``, or ``OSError`` without privilege."""
    _share_directory()
    entry = path(name)
    os.close(os.open(entry, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0))

    def unshared() -> None:
        _check(LIBC.unshare(CLONE_NEWNET), f"new network namespace {name}")
        _mount("/proc/thread-self/ns/net", str(entry), MS_BIND)

    try:
        _in_thread(unshared)
    except BaseException:
        entry.unlink()
        raise


def remove(name: str) -> None:
    """Remove the entry; the kernel frees the namespace with its last user. Harmless when it is gone.

    Raises ``OSError`` if the namespace cannot be unmounted; the entry then stays.
    """
    entry = path(name)
    # EINVAL: not mounted. If the creation of a namespace was cut short, only its file exists.
    if LIBC.umount2(str(entry).encode(), MNT_DETACH) != 0 and ctypes.get_errno() not in (EINVAL, ENOENT):
        _check(-1, f"unmount {entry}")
    entry.unlink(missing_ok=True)


def path(name: str) -> Path:
    """The namespace's file, for ``nsenter --net=``. Raises ``ValueError`` for a name that is no plain file name."""
    if not name or "/" in name or name.startswith(".") or len(name) > 250:
        raise ValueError(f"{name!r} cannot name a network namespace")
    return DIRECTORY / name


def inode(name: str) -> int:
    """The namespace's inode, as in ``readlink /proc/PID/ns/net``. Raises ``FileNotFoundError``."""
    return path(name).stat().st_ino


def names(prefix: str) -> list[str]:
    """Every namespace whose name starts with ``prefix``, sorted."""
    if not DIRECTORY.is_dir():
        return []
    return sorted(entry.name for entry in DIRECTORY.iterdir() if entry.name.startswith(prefix))


def call_in(name: str, function: Callable[[], T]) -> T:
    """Call ``function`` in a thread that has entered the namespace; its result or exception is the caller's."""
    fd = os.open(path(name), os.O_RDONLY | os.O_CLOEXEC)

    def entered() -> T:
        _check(LIBC.setns(fd, CLONE_NEWNET), f"enter {name}")
        return function()

    try:
        return _in_thread(entered)
    finally:
        os.close(fd)


def call_in_new(function: Callable[[], T]) -> T:
    """Call ``function`` in a thread with a new nameless namespace, which ends with the thread: nothing can be left."""

    def unshared() -> T:
        _check(LIBC.unshare(CLONE_NEWNET), "new network namespace")
        return function()

    return _in_thread(unshared)


def entry(name: str, argv: Sequence[str], cpus: Sequence[int] = (), keeping: Sequence[str] | None = None) -> list[str]:
    """The command that runs ``argv`` in the namespace; it dies with the thread that starts it.

    With ``cpus``, it runs on them only. With ``keeping``, it runs as a separate user, with these capabilities alone
    (``net_admin``). nsenter, setpriv and taskset replace themselves, so the process that is started
    is the program's.
    """
    bound = ["taskset", "--cpu-list", ",".join(map(str, cpus))] if cpus else []
    drop = [] if keeping is None else unprivileged.options(keeping)
    return ["nsenter", f"--net={path(name)}", "setpriv", "--pdeathsig", "KILL", *drop, *bound, *argv]


def run_in(name: str, argv: Sequence[str], *, stdin: str = "", timeout_s: float = 10.0) -> str:
    """Run a short program in the namespace; returns its standard output.

    Raises ``subprocess.CalledProcessError`` or ``subprocess.TimeoutExpired``.
    """

    return call_in(name, lambda: run_program(argv, stdin=stdin, timeout_s=timeout_s).stdout)


def run_program(
    argv: Sequence[str], *, stdin: str = "", timeout_s: float = 10.0, check: bool = True
) -> "subprocess.CompletedProcess[str]":
    """Run a short program in the calling thread's namespace, with nothing of this process's environment.

    Raises ``FileNotFoundError``, ``subprocess.TimeoutExpired``, and with ``check`` ``subprocess.CalledProcessError``.
    """
    return subprocess.run(
        list(argv),
        env=program_environment(os.environ),
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=timeout_s,
        check=check,
    )


def complaint(error: BaseException) -> str:
    """What a program wrote to its standard error as it failed; how it failed if it wrote nothing."""
    return getattr(error, "stderr", None) or error_text(error)


def open_in(name: str, file: str) -> int:
    """Open ``/proc/net/<file>`` of the namespace; returns the descriptor, which the caller closes.

    Reading it again with ``os.pread`` costs one system call; while it is open, the namespace lives.
    """
    # /proc/net would be the process's own: it leads to /proc/self, the main thread.
    return call_in(name, lambda: os.open(f"/proc/thread-self/net/{file}", os.O_RDONLY | os.O_CLOEXEC))


def write_sysctls(values: dict[str, str]) -> None:
    """Write sysctls (``net/ipv4/ip_forward``) of the calling thread's namespace; absent ones raise ``OSError``."""
    for key, value in values.items():
        Path("/proc/sys", key).write_text(value)


def _in_thread(function: Callable[[], T]) -> T:
    results: list[T] = []
    errors: list[BaseException] = []

    def body() -> None:
        try:
            results.append(function())
        except BaseException as error:  # handed to the caller's thread, whatever it is
            errors.append(error)

    thread = threading.Thread(target=body, name="netns", daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors.pop()
    return results[0]


def _share_directory() -> None:
    """As ``ip netns`` does: a shared mount, so that other mount namespaces see entries come and go."""
    DIRECTORY.mkdir(mode=0o755, parents=True, exist_ok=True)
    if LIBC.mount(b"", str(DIRECTORY).encode(), b"none", MS_SHARED | MS_REC, None) == 0:
        return
    if ctypes.get_errno() != EINVAL:
        _check(-1, f"share {DIRECTORY}")
    _mount(str(DIRECTORY), str(DIRECTORY), MS_BIND | MS_REC)
    _mount("", str(DIRECTORY), MS_SHARED | MS_REC)


def _mount(source: str, target: str, flags: int) -> None:
    _check(LIBC.mount(source.encode(), target.encode(), b"none", flags, None), f"mount {target}")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{os.strerror(number)}: {what}")
