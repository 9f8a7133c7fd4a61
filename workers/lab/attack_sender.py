"""Sends the packets of an attack or flood: ``python -m workers.lab.attack_sender PLAN``, made by workers/lab/attack.py.

It runs in a lab's client namespace, and refuses to run in that of its caller, which is the host's. It refuses to send
to an address outside the ranges of labs. It sends between its caller's words go and stop, at most ``rate_per_s``
packets per second, for ``max_s`` at a time and ``max_packets`` in all. It ends when its caller does. Standard library
only, so that it starts fast.
"""

import ctypes
import ipaddress
import json
import os
import random
import select
import socket
import struct
import sys
import time
from typing import Any

LABS = (ipaddress.ip_network("198.18.0.0/15"), ipaddress.ip_network("2001:2::/48"))
FRAMES = 16_384  # with so many different sources; a longer list is sampled
BATCH = 64  # packets of one system call
LATE_S = 0.005  # what is later than this is not made up for, so that no burst exceeds the rate by more
TCP_BYTES = 24  # of a header with one option
_BYPASS_QDISC = (263, 20)  # SOL_PACKET, PACKET_QDISC_BYPASS
_MESSAGE = struct.Struct("@PIxxxxPQPQixxxxIxxxx")  # struct mmsghdr of 64-bit kernels
_VECTOR = struct.Struct("@PQ")  # struct iovec


def checksum(data: bytes) -> int:
    """Of the Internet protocols (RFC 1071)."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def frame(plan: dict[str, Any], source: int, port: int, sequence: int) -> bytes:
    """One Ethernet frame with a TCP SYN from ``source``."""
    version, size = plan["version"], 4 if plan["version"] == 4 else 16
    addresses = source.to_bytes(size, "big") + ipaddress.ip_address(plan["destination"]).packed
    tcp = struct.pack("!HHIIBBHHHBBH", port, plan["port"], sequence, 0, 6 << 4, 2, 65535, 0, 0, 2, 4, 1460)
    pseudo = addresses + struct.pack("!HH", socket.IPPROTO_TCP, len(tcp))
    tcp = tcp[:16] + checksum(pseudo + tcp).to_bytes(2, "big") + tcp[18:]
    ends = b"".join(bytes.fromhex(plan[name].replace(":", "")) for name in ("destination_mac", "source_mac"))
    if version == 6:
        head = struct.pack("!IHBB", 6 << 28, len(tcp), socket.IPPROTO_TCP, plan["hop_limit"]) + addresses
        return ends + b"\x86\xdd" + head + tcp
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, plan["hop_limit"], socket.IPPROTO_TCP, 0) + addresses
    return ends + b"\x08\x00" + head[:10] + checksum(head).to_bytes(2, "big") + head[12:] + tcp


def hop_limit(version: int, device: str) -> int:
    """What the client's own packets have: a spoofed one must live no longer."""
    where = "net/ipv4/ip_default_ttl" if version == 4 else f"net/ipv6/conf/{device}/hop_limit"
    with open(f"/proc/sys/{where}", encoding="ascii") as file:
        return int(file.read())


def sources_of(plan: dict[str, Any]) -> list[int]:
    """The spoofed addresses of one round, in no order: all of them, or a sample."""
    draw = random.Random(plan["sources"])  # noqa: S311 the same for all datapaths of a block
    numbers = list(range(plan["sources"]))
    numbers = draw.sample(numbers, FRAMES) if len(numbers) > FRAMES else numbers * (FRAMES // len(numbers))
    draw.shuffle(numbers)
    first = int(ipaddress.ip_address(plan["first_source"]))
    return [first + plan["step"] * number for number in numbers]


def check_place(plan: dict[str, Any]) -> None:
    """Raises ``SystemExit`` outside a lab."""
    if os.stat("/proc/self/ns/net").st_ino == plan["outside"]:
        raise SystemExit("an attack is sent inside a lab's namespace only")
    destination = ipaddress.ip_address(plan["destination"])
    if not any(destination in network for network in LABS if network.version == destination.version):
        raise SystemExit(f"{destination} is no address of a lab")


class Ports:
    """Gives all frames other source ports at once, so that a server cannot take a SYN of a flood for one sent again.

    The sequence number makes up for the upper byte of the port: the sum of both is the same in each round, so the
    checksum stays right. The ports are those of the first round again after 252 rounds.
    """

    SEQUENCE_BYTE = 6  # of the TCP header; it is an upper byte of the checksum's words, too
    _NEXT = bytes(upper + 1 if upper < 255 else 4 for upper in range(256))  # 4: ports from 1024 on

    def __init__(self, data: bytearray, size: int, tcp_at: int) -> None:
        self._data = data
        self._port, self._sequence = slice(tcp_at, None, size), slice(tcp_at + self.SEQUENCE_BYTE, None, size)

    @staticmethod
    def sequence(port: int, number: int) -> int:
        """A sequence number whose byte makes up for the port's."""
        return (number & 0xFFFF) << 16 | (255 - (port >> 8)) << 8

    def renew(self) -> None:
        """Take the next port's upper byte in every frame."""
        upper = self._data[self._port].translate(self._NEXT)
        self._data[self._port] = upper
        self._data[self._sequence] = bytes(255 - byte for byte in upper)


class Sender:
    """Frames that are ready to be sent, in batches."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # protocol 0: it receives nothing
        self._socket.setsockopt(*_BYPASS_QDISC, 1)
        self._socket.bind((plan["device"], 0))
        fresh = plan["fresh_ports"]
        numbered = [(source, 1024 + n % 60_000, n) for n, source in enumerate(sources_of(plan))]
        frames = [frame(plan, one, port, Ports.sequence(port, n) if fresh else n) for one, port, n in numbered]
        size = len(frames[0])
        data = bytearray(b"".join(frames))
        self._data = (ctypes.c_char * len(data)).from_buffer(data)
        self._ports = Ports(data, size, size - TCP_BYTES) if fresh else None
        start = ctypes.addressof(self._data)
        vectors = b"".join(_VECTOR.pack(start + size * n, size) for n in range(len(frames)))
        self._vectors = ctypes.create_string_buffer(vectors, len(vectors))
        first = ctypes.addressof(self._vectors)
        messages = b"".join(_MESSAGE.pack(0, 0, first + _VECTOR.size * n, 1, 0, 0, 0, 0) for n in range(len(frames)))
        self._messages = ctypes.create_string_buffer(messages, len(messages))
        self._send = ctypes.CDLL(None, use_errno=True).sendmmsg
        self._count, self._at = len(frames), 0

    def send(self, packets: int) -> int:
        """Send at most so many; returns how many the device accepted."""
        packets = min(packets, BATCH, self._count - self._at)
        place = ctypes.c_void_p(ctypes.addressof(self._messages) + self._at * _MESSAGE.size)
        accepted = self._send(self._socket.fileno(), place, packets, 0)
        self._at = (self._at + packets) % self._count
        if self._ports and not self._at:
            self._ports.renew()
        return max(0, int(accepted))


def attack(plan: dict[str, Any], sender: Sender, control: socket.socket, most: int) -> int:
    """Send until the caller says stop or is gone, ``max_s`` have passed or ``most`` are sent; returns how many were."""
    sent, rate_per_s = 0, plan["rate_per_s"]
    begun = due_from = time.monotonic()
    planned = 0.0
    while sent < most and not select.select([control], [], [], 0)[0]:
        now = time.monotonic()
        if now - begun > plan["max_s"]:
            break
        late = (now - due_from) * rate_per_s - planned
        if late > LATE_S * rate_per_s + BATCH:
            planned += late - LATE_S * rate_per_s - BATCH
            late = LATE_S * rate_per_s + BATCH
        if late < 1:
            time.sleep((min(BATCH, 1 + rate_per_s * 0.001) - late) / rate_per_s)
            continue
        wanted = min(int(late), BATCH, most - sent)
        planned += wanted
        sent += sender.send(wanted)
    return sent


def main() -> None:
    """See the module."""
    plan = json.loads(sys.argv[1])
    check_place(plan)
    with socket.socket(fileno=plan["control"]) as control:
        sender: Sender | None = None  # frames are built when the datapath is attached
        sent = 0
        while (word := control.recv(1)) in (b"g", b"s"):
            if word == b"g":
                sender = sender or Sender(plan | {"hop_limit": hop_limit(plan["version"], plan["device"])})
                sent += sender.send(1)
                control.sendall(b"r")  # the attack has begun
                sent += attack(plan, sender, control, plan["max_packets"] - sent)
            else:
                control.sendall(struct.pack("=Q", sent))


if __name__ == "__main__":
    main()
