"""Reading /proc/net: the right column of the right line."""

from pathlib import Path

import pytest

from workers.lab.proc_net import DevicePackets, device_packets, ip_counter, ipv6_counters

DEVICES = """Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compr
    lo: 1000      11    1    2    3     4          5         6     2000      22    7    8    9    10      11         12
sd-a1:77        3    0    0    0     0          0         0       88       4    0    0    0     0       0          0
"""
SNMP = """Ip: Forwarding InReceives InAddrErrors
Ip: 1 30 4
IpExt: InNoRoutes InReceives
IpExt: 5 6
"""


def test_packets_of_devices() -> None:
    assert device_packets(DEVICES) == {"lo": DevicePackets(11, 22), "sd-a1": DevicePackets(3, 4)}


def test_counters_of_the_ip_layers() -> None:
    assert ip_counter(SNMP, "Ip:", "InAddrErrors") == 4
    assert ip_counter(SNMP, "IpExt:", "InReceives") == 6
    assert ipv6_counters("Ip6InReceives \t 9\nIp6InNoRoutes 0\n") == {"Ip6InReceives": 9, "Ip6InNoRoutes": 0}
    with pytest.raises(ValueError):
        ip_counter(SNMP, "Ip:", "Missing")


def test_the_kernels_own_files_can_be_read() -> None:
    assert "lo" in device_packets(Path("/proc/net/dev").read_text())
    assert ip_counter(Path("/proc/net/snmp").read_text(), "Ip:", "InReceives") >= 0
