"""The frames of an attack, its addresses, and the places where its sender refuses to run."""

import os
import struct
from ipaddress import ip_address, ip_network
from typing import Any

import numpy as np
import pytest

from workers.lab import attack_sender, blocklist, loading
from workers.lab.attack_sender import check_place, checksum, frame, sources_of
from workers.lab.spec import MAX_BLOCKLIST_ENTRIES, LabSpec

PLAN: dict[str, Any] = {
    "version": 4, "device": "c", "destination_mac": "02:5d:00:00:01:01", "source_mac": "02:5d:00:00:01:00",
    "destination": "198.19.1.2", "port": 80, "hop_limit": 1, "first_source": "241.0.0.1", "step": 4, "sources": 20,
    "outside": 0,
}  # fmt: skip
PLAN6 = PLAN | {"version": 6, "destination": "2001:2:0:201::2", "first_source": "2001:2:0:ff00::1"}


def spec(entries: int, ip_version: int = 4) -> LabSpec:
    return LabSpec("abc123", "fake", 0, ip_version=ip_version, blocklist_entries=entries)


def test_a_frame_is_a_syn_with_right_checksums() -> None:
    found = frame(PLAN, int(ip_address("241.0.0.5")), 1024, 7)
    assert found[:14] == bytes.fromhex("025d00000101025d000001000800")
    head, tcp = found[14:34], found[34:]
    assert (head[8], checksum(head)) == (1, 0)
    assert (str(ip_address(head[12:16])), str(ip_address(head[16:20]))) == ("241.0.0.5", "198.19.1.2")
    assert struct.unpack_from("!HHII", tcp) == (1024, 80, 7, 0)
    assert tcp[13] == 0x02, "a SYN"
    assert checksum(head[12:20] + struct.pack("!HH", 6, len(tcp)) + tcp) == 0
    assert struct.unpack_from("!H", head, 2)[0] == len(head) + len(tcp)


def test_a_frame_of_ipv6_has_its_header_and_checksum() -> None:
    found = frame(PLAN6, int(ip_address("2001:2:0:ff00::5")), 1024, 7)
    head, tcp = found[14:54], found[54:]
    assert found[12:14] == b"\x86\xdd"
    assert (head[0] >> 4, head[7], struct.unpack_from("!H", head, 4)[0]) == (6, 1, len(tcp))
    assert checksum(head[8:40] + struct.pack("!HH", 6, len(tcp)) + tcp) == 0


def test_the_sources_are_all_entries_or_a_sample_and_the_same_for_each_datapath() -> None:
    few = sources_of(PLAN)
    assert len(set(few)) == 20
    assert min(few) == int(ip_address("241.0.0.1"))
    many = sources_of(PLAN | {"sources": 1_000_000})
    assert len(set(many)) == len(many) == attack_sender.FRAMES
    assert many == sources_of(PLAN | {"sources": 1_000_000})


def test_it_refuses_its_callers_namespace_and_addresses_outside_labs() -> None:
    with pytest.raises(SystemExit, match="inside a lab's namespace only"):
        check_place(PLAN | {"outside": os.stat("/proc/self/ns/net").st_ino})
    for destination in ("192.0.2.1", "2001:db8::1"):
        with pytest.raises(SystemExit, match="no address of a lab"):
            check_place(PLAN | {"destination": destination})
    check_place(PLAN)
    check_place(PLAN6)


class Counting:
    """A sender that accepts everything."""

    def __init__(self) -> None:
        self.sent = 0

    def send(self, packets: int) -> int:
        self.sent += packets
        return packets


class Silent:
    """A caller that never says stop."""

    def fileno(self) -> int:
        return self.end

    def __init__(self) -> None:
        self.end, self.other = os.pipe()


def test_it_ends_by_itself_after_its_time_and_after_its_packets() -> None:
    silent: Any = Silent()
    sender: Any = Counting()
    try:
        plan = {"rate_per_s": 100_000, "max_s": 0.05}
        sent = attack_sender.attack(plan, sender, silent, 10**9)
        assert 0 < sent == sender.sent <= 100_000
        assert attack_sender.attack(plan | {"max_s": 60}, sender, silent, 100) == 100
    finally:
        os.close(silent.end)
        os.close(silent.other)


@pytest.mark.parametrize("ip_version", [4, 6])
def test_the_entries_are_in_their_network_apart_and_alike_in_both_forms(ip_version: int) -> None:
    texts = list(blocklist.entries(spec(1000, ip_version)))
    packed = blocklist.packed_entries(spec(1000, ip_version))
    assert [ip_address(row.tobytes()) for row in packed] == [ip_address(one) for one in texts]
    gaps = np.diff([int(ip_address(one)) for one in texts[:100]])
    assert set(gaps) == {blocklist.STEP}
    network = ip_network(blocklist.NETWORKS[ip_version])
    assert ip_address(blocklist.address_at(ip_version, MAX_BLOCKLIST_ENTRIES)) in network
    assert ip_address(texts[0]) in network
    assert blocklist.one_more(spec(1000, ip_version)) not in texts


def test_the_kernels_memory_is_what_the_kernel_itself_holds() -> None:
    assert loading.kernel_memory_bytes("MemFree: 5 kB\nSlab: 10 kB\nPercpu: 2 kB\nVmallocUsed: 1 kB\n\n") == 13 * 1024
