"""Named counters of nftables, read by netlink: nft(8) would read a table's sets first, and they can have a million
elements.
"""

import errno
import os
import socket
import struct

from workers.lab import netns

_NETFILTER = 12  # NETLINK_NETFILTER
_GET, _NEW, _ERROR = (10 << 8) | 19, (10 << 8) | 18, 2  # NFNL_SUBSYS_NFTABLES with NFT_MSG_GETOBJ, NFT_MSG_NEWOBJ
_REQUEST = 1  # NLM_F_REQUEST
_TABLE, _NAME, _TYPE, _DATA = 1, 2, 3, 4  # NFTA_OBJ_*
_COUNTER = 1  # NFT_OBJECT_COUNTER
_PACKETS = 2  # NFTA_COUNTER_PACKETS
_FAMILIES = {4: 2, 6: 10}  # NFPROTO_IPV4, NFPROTO_IPV6
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_KIND = 0x3FFF  # NLA_TYPE_MASK
_GENERIC_BYTES = 4  # struct nfgenmsg
_TIMEOUT_S = 5.0


def packets(place: str, version: int, table: str, *names: str) -> dict[str, int]:
    """The packets of a table's counters in a namespace. Raises ``OSError`` if one is gone."""

    def read() -> dict[str, int]:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER) as kernel:
            kernel.settimeout(_TIMEOUT_S)
            return {name: _read(kernel, version, table, name) for name in names}

    return netns.call_in(place, read)


def _read(kernel: socket.socket, version: int, table: str, name: str) -> int:
    body = struct.pack("=BBH", _FAMILIES[version], 0, 0)
    body += _text(_TABLE, table) + _text(_NAME, name) + _attribute(_TYPE, struct.pack("!I", _COUNTER))
    kernel.send(_HEADER.pack(_HEADER.size + len(body), _GET, _REQUEST, 1, 0) + body)
    answer = kernel.recv(65536)
    _, kind, *_ = _HEADER.unpack_from(answer)
    if kind != _NEW:
        code = -struct.unpack_from("=i", answer, _HEADER.size)[0] if kind == _ERROR else errno.EPROTO
        raise OSError(code, f"{os.strerror(code)}: the nft counter {name}")
    found = _attributes(answer[_HEADER.size + _GENERIC_BYTES :])
    (count,) = struct.unpack("!Q", _attributes(found[_DATA])[_PACKETS])
    return int(count)


def _text(kind: int, value: str) -> bytes:
    return _attribute(kind, value.encode() + b"\0")


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        found[kind & _KIND] = data[_ATTRIBUTE.size : length]
        data = data[(length + 3) & ~3 :]
    return found
