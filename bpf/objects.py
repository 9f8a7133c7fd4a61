"""The BPF objects that this process holds, as the kernel lists them in /proc/self/fdinfo: links and maps.

For those who look at what somebody else has attached: they find it without knowing who did, and how.
"""

import contextlib
import ctypes
import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path

from bpf.instance import _MAP_NEXT_KEY, _bpf
from bpf.loader import BpfError

_LINK_DETACH = 34  # enum bpf_cmd
_HASHES = frozenset({1, 5, 9, 10, 18})  # enum bpf_map_type: hash, LRU hash, both of them per CPU, sockhash
_OF_SOCKETS = frozenset({15, 18})  # sockmap, sockhash
_FIELD = re.compile(r"^(link_type|link_id|map_type|map_id|key_size):\s*(\S+)", re.MULTILINE)


@dataclass(frozen=True)
class OwnLink:
    """A link; ``kind`` is the kernel's word, such as ``tcx``, ``cgroup`` or ``netns``."""

    fd: int
    id: int
    kind: str


@dataclass(frozen=True)
class OwnMap:
    """A map; ``kind`` is of enum bpf_map_type."""

    fd: int
    id: int
    kind: int
    key_bytes: int

    @property
    def of_sockets(self) -> bool:
        """Programs may be attached to it."""
        return self.kind in _OF_SOCKETS

    def entries(self) -> int | None:
        """How many entries it has now; ``None`` for an array, which has as many ever. Raises :class:`BpfError`."""
        if self.kind not in _HASHES:
            return None
        count, at = 0, 0
        key, following = ctypes.create_string_buffer(self.key_bytes), ctypes.create_string_buffer(self.key_bytes)
        while True:
            attributes = struct.pack("=IIQQ", self.fd, 0, at, ctypes.addressof(following))
            try:
                _bpf(_MAP_NEXT_KEY, attributes, "the next key")
            except BpfError as error:
                if "ENOENT" in str(error):
                    return count
                raise
            count += 1
            key.raw, at = following.raw, ctypes.addressof(key)


def own_links() -> dict[int, OwnLink]:
    """By their ids."""
    found = (OwnLink(fd, int(told["link_id"]), told["link_type"]) for fd, told in _told() if "link_id" in told)
    return {link.id: link for link in found}


def own_maps() -> dict[int, OwnMap]:
    """By their ids."""
    found = (
        OwnMap(fd, int(told["map_id"]), int(told["map_type"]), int(told["key_size"]))
        for fd, told in _told()
        if "map_id" in told
    )
    return {one.id: one for one in found}


def detach(link: OwnLink) -> None:
    """Take the link's program out of force; the link stays its owner's. Raises :class:`BpfError`."""
    _bpf(_LINK_DETACH, struct.pack("=I", link.fd), f"detach {link.kind} link")


def _told() -> list[tuple[int, dict[str, str]]]:
    found = []
    for fd in os.listdir("/proc/self/fdinfo"):
        with contextlib.suppress(OSError):  # closed meanwhile
            found.append((int(fd), dict(_FIELD.findall(Path("/proc/self/fdinfo", fd).read_text()))))
    return found
