"""The BPF objects that this process holds, as the kernel lists them in /proc/self/fdinfo: links and maps.

For code that examines what another part of the process has attached, without knowing which part, and how.
"""

import contextlib
import ctypes
import os
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bpf.enums import Command, MapType
from bpf.links import detach_link
from bpf.loader import BpfError
from bpf.syscall import bpf

_HASHES = frozenset({MapType.HASH, MapType.PERCPU_HASH, MapType.LRU_HASH, MapType.LRU_PERCPU_HASH, MapType.SOCKHASH})
_OF_SOCKETS = frozenset({MapType.SOCKMAP, MapType.SOCKHASH})
_FIELD = re.compile(r"^(link_type|link_id|attach_type|map_type|map_id|key_size):\s*(\S+)", re.MULTILINE)
_RUN_TIME = 0  # enum bpf_stats_type: BPF_STATS_RUN_TIME


@dataclass(frozen=True)
class OwnLink:
    """A link; ``kind`` is the kernel's word, such as ``tcx``, ``cgroup`` or ``netns``.

    ``hook`` is of enum bpf_attach_type; ``None`` for a link whose kind has a single hook.
    """

    fd: int
    id: int
    kind: str
    hook: int | None = None


@dataclass(frozen=True)
class OwnMap:
    """A map; ``kind`` is of enum bpf_map_type."""

    fd: int
    id: int
    kind: int
    key_bytes: int

    @property
    def of_sockets(self) -> bool:
        """Programs can be attached to it."""
        return self.kind in _OF_SOCKETS

    def entries(self) -> int | None:
        """How many entries a hash map has now; ``None`` for an array, whose number is fixed.

        Raises :class:`BpfError`.
        """
        if self.kind not in _HASHES:
            return None
        count, at = 0, 0
        key, following = ctypes.create_string_buffer(self.key_bytes), ctypes.create_string_buffer(self.key_bytes)
        while True:
            attributes = struct.pack("=IIQQ", self.fd, 0, at, ctypes.addressof(following))
            try:
                bpf(Command.MAP_GET_NEXT_KEY, attributes, "the next key")
            except BpfError as error:
                if "ENOENT" in str(error):
                    return count
                raise
            count += 1
            key.raw, at = following.raw, ctypes.addressof(key)


def own_links() -> dict[int, OwnLink]:
    """By their ids."""
    found = {}
    for fd, said in _descriptions():
        if "link_id" in said:
            hook = int(said["attach_type"]) if "attach_type" in said else None
            link = OwnLink(fd, int(said["link_id"]), said["link_type"], hook)
            found[link.id] = link
    return found


def own_maps() -> dict[int, OwnMap]:
    """By their ids."""
    found = (
        OwnMap(fd, int(said["map_id"]), int(said["map_type"]), int(said["key_size"]))
        for fd, said in _descriptions()
        if "map_id" in said
    )
    return {one.id: one for one in found}


def detach(link: OwnLink) -> None:
    """Detach the link's program; the file descriptor stays its owner's. Raises :class:`BpfError`."""
    detach_link(link.fd)


def is_loaded(program_id: int) -> bool:
    """Whether the kernel still has a program. Raises :class:`BpfError`."""
    try:
        os.close(bpf(Command.PROG_GET_FD_BY_ID, struct.pack("=III", program_id, 0, 0), "program"))
    except BpfError as error:
        if "ENOENT" not in str(error):
            raise
        return False
    return True


@contextmanager
def run_time_statistics() -> Iterator[None]:
    """The kernel times every BPF program meanwhile, which costs each run of one some time.

    Raises :class:`BpfError`.
    """
    switch = bpf(Command.ENABLE_STATS, struct.pack("=I", _RUN_TIME), "run-time statistics")
    try:
        yield
    finally:
        os.close(switch)


def _descriptions() -> list[tuple[int, dict[str, str]]]:
    found = []
    for fd in os.listdir("/proc/self/fdinfo"):
        with contextlib.suppress(OSError):  # closed meanwhile
            found.append((int(fd), dict(_FIELD.findall(Path("/proc/self/fdinfo", fd).read_text()))))
    return found
