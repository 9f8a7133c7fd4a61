"""BCC compiles in two thirds of the time if it finds few symbols in /proc/kallsyms.

For each compilation, libbcc 0.26 reads all symbols of the kernel, 120,000 lines, to see whether one exists
(BFrontendAction::DoMiscWorkAround looks for ``bpf_probe_read_kernel``). So a thread for the compilation gets a separate
mount namespace, in which the file has the symbols of BPF only. It has all that BCC looks for, as the kernel lists it.
"""

import ctypes
import os
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

KALLSYMS = "/proc/kallsyms"
PREFIX = b" bpf_"
_CLONE_NEWNS = 0x20000
_MS_BIND, _MS_REC, _MS_SLAVE = 0x1000, 0x4000, 0x80000

LIBC = ctypes.CDLL(None, use_errno=True)


def call(function: Callable[[], object]) -> None:
    """Call ``function`` in a thread that finds few symbols, or all of them if this process must not hide any.

    What it raises is raised here.
    """
    errors: list[BaseException] = []

    def body() -> None:
        try:
            _hide_others()
            function()
        except BaseException as error:  # handed to the caller's thread, whatever it is
            errors.append(error)

    thread = threading.Thread(target=body, name="compile")
    thread.start()
    thread.join()
    if errors:
        raise errors.pop()


def _hide_others() -> None:
    """Let the calling thread see few symbols. Without the privilege for that, it sees all."""
    few = _few()
    if not few or LIBC.unshare(_CLONE_NEWNS) != 0:
        return
    # As a slave, this namespace sees other mounts come and go, and keeps no network namespace that is removed.
    if LIBC.mount(b"none", b"/", None, _MS_REC | _MS_SLAVE, None) != 0:
        return
    with suppress(OSError), tempfile.NamedTemporaryFile(prefix="showdown-kallsyms-") as file:  # the disk may be full
        file.write(few)
        file.flush()
        LIBC.mount(os.fsencode(file.name), KALLSYMS.encode(), None, _MS_BIND, None)


@cache
def _few() -> bytes:
    """The lines of the kernel's symbols whose names begin with ``bpf_``; none if they cannot be read."""
    try:
        lines = Path(KALLSYMS).read_bytes().splitlines(keepends=True)
    except OSError:
        return b""
    return b"".join(line for line in lines if PREFIX in line)
