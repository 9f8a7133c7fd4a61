"""Tries what datapaths that filter need of this kernel; see workers/inventory/kernel_features.py."""

import os
import struct

from bpf.enums import AttachType, MapType, ProgramType
from bpf.instance import MapShape, create_map, load_program
from bpf.trie import put
from workers.inventory.kernel_features import RETURN_1
from workers.lab import cgroups

_CALL, _NETNS_COOKIE = 0x85, 122  # BPF_JMP | BPF_CALL, BPF_FUNC_get_netns_cookie
_NO_PREALLOC = 1  # BPF_F_NO_PREALLOC, include/uapi/linux/bpf.h


def cgroup_skb() -> None:
    """A program for the packets of a cgroup's sockets loads, and may ask for a packet's namespace (Linux 6.15)."""
    os.close(cgroups.open_root())
    call = struct.pack("=BBhi", _CALL, 0, 0, _NETNS_COOKIE)
    os.close(load_program("cookie", call + RETURN_1, ProgramType.CGROUP_SKB, AttachType.CGROUP_INET_INGRESS))


def lpm_trie() -> None:
    """A trie of prefixes can be made, and takes entries in batches."""
    trie = create_map("trie", MapShape(MapType.LPM_TRIE, 8, 1, 2, _NO_PREALLOC))
    try:
        put(trie, bytes(4))
    finally:
        os.close(trie)
