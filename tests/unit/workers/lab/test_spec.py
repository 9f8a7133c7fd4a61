"""A block may have as many labs as datapaths, each with its own addresses and device names."""

import ipaddress

import pytest

from domain.values.bounds import MAX_ORIGINS, MAX_TRIALS
from tests.variants import DATAPATHS
from workers.lab.addresses import VERSIONS, Addresses
from workers.lab.cleanup import CleanupRegister
from workers.lab.lab import Lab
from workers.lab.spec import MAX_POSITION, LabSpec

LONGEST_DEVICE = 15  # IFNAMSIZ without its end


def test_every_datapath_finds_a_place_in_one_block() -> None:
    assert len(DATAPATHS) <= MAX_TRIALS == MAX_POSITION + 1
    with pytest.raises(ValueError, match="position"):
        LabSpec("abcdef", "direct", MAX_TRIALS)


def test_labs_of_all_positions_share_no_address_and_no_device(tmp_path_factory: pytest.TempPathFactory) -> None:
    register = CleanupRegister(tmp_path_factory.mktemp("register"))
    labs = [Lab(LabSpec("abcdef", "direct", position), register) for position in range(MAX_TRIALS)]
    names = [device for lab in labs for device in lab.devices.values()]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= LONGEST_DEVICE
    for version in VERSIONS:
        everything: list[str] = []
        for position in range(MAX_TRIALS):
            one = Addresses(version, position, 2, origins_count=MAX_ORIGINS)
            everything += [
                one.client,
                one.dut_client,
                one.dut_server,
                *one.origins,
                one.virtual,
                *one.clients,
                one.gateway,
            ]
        assert len(set(everything)) == len(everything)
        assert {ipaddress.ip_address(one).version for one in everything} == {version}


def test_a_lab_has_the_origins_of_its_condition(tmp_path_factory: pytest.TempPathFactory) -> None:
    register = CleanupRegister(tmp_path_factory.mktemp("register"))
    assert len(Lab(LabSpec("abcdef", "direct", 0), register).origin_addresses) == 4
    many = Lab(LabSpec("abcdef", "direct", 0, origins=MAX_ORIGINS, ip_version=6), register).origin_addresses
    assert (len(set(many)), many[0], many[-1]) == (100, "2001:2:0:200::2", "2001:2:0:200::65")
    with pytest.raises(ValueError, match="origins 101: must be 1 to 100"):
        LabSpec("abcdef", "direct", 0, origins=MAX_ORIGINS + 1)
