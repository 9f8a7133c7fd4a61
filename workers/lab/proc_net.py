"""Reads the counters that the kernel prints in /proc/net: of devices, and of the IP layers."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DevicePackets:
    """Packets of one device since it was made."""

    received: int
    sent: int


def device_packets(text: str) -> dict[str, DevicePackets]:
    """The packets of each device by its name, from /proc/net/dev."""
    found = {}
    for line in text.splitlines()[2:]:
        name, _, numbers = line.partition(":")
        columns = numbers.split()  # eight of receiving (bytes, packets, …), then the same of sending
        found[name.strip()] = DevicePackets(received=int(columns[1]), sent=int(columns[9]))
    return found


def ip_counter(text: str, line: str, column: str) -> int:
    """One counter of a file such as /proc/net/snmp: pairs of lines, one with the names and one with the values."""
    names, values = (row.split() for row in text.splitlines() if row.startswith(line))
    return int(values[names.index(column)])


def ipv6_counters(text: str) -> dict[str, int]:
    """The counters of /proc/net/snmp6 by their names."""
    return {name: int(value) for name, value in (row.split() for row in text.splitlines())}
