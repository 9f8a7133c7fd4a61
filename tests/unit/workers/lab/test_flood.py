"""The frames of a flood: other ports in each round with right checksums, and few addresses."""

import struct
from ipaddress import ip_address

import pytest

from domain.loads.condition import parse_condition
from tests.unit.workers.lab.test_attack import PLAN, PLAN6
from workers.lab import blocklist
from workers.lab.attack_sender import TCP_BYTES, Ports, checksum, frame
from workers.lab.conditions import spec_fields
from workers.lab.spec import LabSpec


@pytest.mark.parametrize("plan", [PLAN, PLAN6])
def test_each_round_has_other_ports_and_right_checksums(plan: dict[str, object]) -> None:
    source, ports = int(ip_address(str(plan["first_source"]))), (1024, 17_407, 65_535)
    frames = [frame(plan, source, port, Ports.sequence(port, n)) for n, port in enumerate(ports)]
    size, data = len(frames[0]), bytearray(b"".join(frames))
    rounds, at = Ports(data, size, size - TCP_BYTES), size - TCP_BYTES
    addresses = frames[0][26:34] if plan["version"] == 4 else frames[0][22:54]
    seen: set[tuple[int, int]] = set()
    for _ in range(252):
        for number in range(len(ports)):
            tcp = bytes(data[number * size + at : (number + 1) * size])
            assert checksum(addresses + struct.pack("!HH", 6, len(tcp)) + tcp) == 0
            seen.add((number, struct.unpack_from("!H", tcp)[0]))
        rounds.renew()
    assert len(seen) == 252 * len(ports)
    assert min(port for _, port in seen) >= 1024
    assert bytes(data) == b"".join(frames), "after that they repeat"


def test_its_addresses_are_few_and_within_those_of_attacks() -> None:
    condition = parse_condition("syn_flood(20000), blocklist(1000)")
    spec = LabSpec("abc123", "fake", 0, **spec_fields(condition))
    assert blocklist.spoofed(spec) == spec.flood_sources == 20
    assert LabSpec("abc123", "fake", 0, **spec_fields(parse_condition("attack(20000)"))).flood_sources == 0
