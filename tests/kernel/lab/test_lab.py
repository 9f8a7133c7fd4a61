"""The lab on the real kernel: complete, alike, silent when idle, and gone afterwards."""

import os
import socket
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from domain.values.bounds import MAX_TRIALS
from tests.host_noise import in_windows
from tests.kernel.bench import HeldNamespaces, assert_nothing_left, new_tag
from workers.lab import netns, offloads
from workers.lab.addresses import ORIGINS
from workers.lab.cleanup import RUN_ROOT, CleanupRegister
from workers.lab.lab import DEVICES, ROLES, Lab, LabError, built
from workers.lab.spec import LabSpec

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]


@pytest.mark.parametrize("version", [4, 6])
def test_the_client_reaches_the_server_through_the_dut(version: int, tmp_path: Path) -> None:
    tag = new_tag()
    with built(LabSpec(tag, "direct", 0, ip_version=version), CleanupRegister(tmp_path)) as lab:
        held = HeldNamespaces(*lab.namespaces)
        with listening(lab) as listener:
            address = (lab.server_address, lab.origin_port)
            with netns.call_in(lab.client_ns, lambda: socket.create_connection(address, timeout=2)):
                connection, (peer, *_) = listener.accept()
                connection.close()
        assert peer == lab.client_address
        assert (":" in peer) == (version == 6)
        packets = device_packets(lab)
        assert packets["dut_client"] >= 3
        assert packets["dut_server"] >= 2
    assert_nothing_left(tag, held, tmp_path)


def test_names_show_block_and_datapath_and_fit_the_kernel(tmp_path: Path) -> None:
    lab = Lab(LabSpec("abc123", "a" * 32 + "#2", 8), CleanupRegister(tmp_path))
    assert lab.client_ns == f"sd-abc123-8{'a' * 32}-2-client"
    assert all(len(name) <= 15 for name in lab.devices.values())
    assert len({*lab.devices.values()}) == 4
    assert list(tmp_path.iterdir()) == [], "nothing is owned before it is built"


def listening(lab: Lab) -> socket.socket:
    """The origin's listener."""
    family = socket.AF_INET6 if ":" in lab.server_address else socket.AF_INET
    where = (lab.server_address, lab.origin_port)
    return netns.call_in(lab.server_ns, lambda: socket.create_server(where, family=family))


@pytest.mark.parametrize(
    ("tag", "label", "position"),
    [("ABC123", "direct", 0), ("abc12", "direct", 0), ("abc123", "../x", 0), ("abc123", "direct", MAX_TRIALS)],
)
def test_a_spec_that_could_not_be_named_is_refused(tag: str, label: str, position: int) -> None:
    with pytest.raises(ValueError, match=r"tag|label|position"):
        LabSpec(tag, label, position)


def test_idle_labs_send_nothing_and_exist_side_by_side(tmp_path: Path) -> None:
    tag, register = new_tag(), CleanupRegister(tmp_path)
    with ExitStack() as stack:
        labs = [stack.enter_context(built(LabSpec(tag, "direct", position), register)) for position in range(4)]
        views = [lab.view() for lab in labs]
        assert len({inode for view in views for inode in view.netns.values()}) == 12
        assert len({lab.server_address for lab in labs}) == 4
        before = [device_packets(lab) for lab in labs]
        time.sleep(1.2)
        assert [device_packets(lab) for lab in labs] == before
        assert sum(sum(packets.values()) for packets in before) == 0
        # No wait is long enough to see that a neighbour is never asked for again.
        for role in ROLES:
            for version in ("-4", "-6"):
                neighbours = netns.run_in(labs[0].netns_of(role), ["ip", version, "neigh", "show"]).splitlines()
                assert len(neighbours) == (1 + ORIGINS if role == "dut" else 1)
                assert all(neighbour.split()[-1] == "PERMANENT" for neighbour in neighbours)
            # Nor that MLD, whose reports come within ten seconds, has nothing to report.
            groups = netns.run_in(labs[0].netns_of(role), ["ip", "-6", "maddr", "show"]).split()
            assert {word for word in groups if word.startswith("ff")} == {"ff01::1", "ff02::1"}
    assert netns.names(f"sd-{tag}") == []


@in_windows
def test_a_block_of_four_labs_is_built_and_removed_quickly(tmp_path: Path) -> None:
    tag, register, started = new_tag(), CleanupRegister(tmp_path), time.monotonic()
    with ExitStack() as stack:
        for position in range(4):
            stack.enter_context(built(LabSpec(tag, "direct", position), register))
    assert time.monotonic() - started < 1.5


def test_offloads_are_set_alike_and_read_back(tmp_path: Path) -> None:
    with built(LabSpec(new_tag(), "direct", 0), CleanupRegister(tmp_path)) as lab:
        assert dict(lab.offloads) == offloads.DEFAULTS
        changed = offloads.DEFAULTS | {"tso": False, "gro": True}
        for role in DEVICES:
            place, device = lab.netns_of(DEVICES[role]), lab.devices[role]
            assert netns.call_in(place, lambda device=device: offloads.set_offloads(device, changed)) == changed


def test_a_lab_that_cannot_be_completed_is_undone(tmp_path: Path) -> None:
    tag, register = new_tag(), CleanupRegister(tmp_path)
    taken = f"sd-{tag}-0direct-server"
    netns.create(taken)
    try:
        with pytest.raises(LabError, match="File exists"), built(LabSpec(tag, "direct", 0), register):
            pytest.fail("must not be built")
        assert not [name for name in netns.names(f"sd-{tag}") if name != taken]
        assert list(RUN_ROOT.glob(f"{tag}*")) == []
        assert list(tmp_path.iterdir()) == []
    finally:
        netns.remove(taken)


def test_programs_run_in_their_namespace_and_end_with_the_lab(tmp_path: Path) -> None:
    with built(LabSpec(new_tag(), "direct", 0), CleanupRegister(tmp_path)) as lab:
        process = lab.spawn("dut", ["sh", "-c", "readlink /proc/self/ns/net; sleep 60 & sleep 61"], task_role="proxy")
        deadline = time.monotonic() + 30
        while len(lab.view().tasks["proxy"]) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        tasks = lab.view().tasks["proxy"]
        assert len(tasks) == 3, "the shell and its two children"
        assert process.output().strip() == f"net:[{netns.inode(lab.dut_ns)}]"
    assert process.returncode is not None
    assert not [task for task in tasks if os.path.exists(f"/proc/{task}") and _state(task) not in "ZX"]


def test_a_program_that_does_not_exist_says_so(tmp_path: Path) -> None:
    with built(LabSpec(new_tag(), "direct", 0), CleanupRegister(tmp_path)) as lab:
        process = lab.spawn("dut", ["no-such-program"], task_role=None)
        assert process.wait(30) != 0
        assert "no-such-program" in process.output()


def device_packets(lab: Lab) -> dict[str, int]:
    """Packets received and sent, by device."""
    packets = {}
    for role, place in DEVICES.items():
        fd = netns.open_in(lab.netns_of(place), "dev")
        try:
            for line in os.read(fd, 65536).decode().splitlines()[2:]:
                name, _, numbers = line.partition(":")
                if name.strip() == lab.devices[role]:
                    packets[role] = int(numbers.split()[1]) + int(numbers.split()[9])
        finally:
            os.close(fd)
    return packets


def _state(task: int) -> str:
    try:
        return Path(f"/proc/{task}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def test_a_program_inherits_the_descriptors_that_it_is_given_and_no_other(tmp_path: Path) -> None:
    given, kept = os.pipe()
    os.set_inheritable(kept, True)  # as careless code would
    try:
        with built(LabSpec(new_tag(), "direct", 1), CleanupRegister(tmp_path)) as lab:
            process = lab.spawn("dut", ["ls", "/proc/self/fd"], task_role=None, fds=[given])
            assert process.wait(30) == 0
            listed = {int(line) for line in process.output().split()}
            assert given in listed
            assert kept not in listed
    finally:
        os.close(given)
        os.close(kept)


@pytest.mark.parametrize("version", [4, 6])
def test_several_clients_are_behind_a_router_each_with_its_address(version: int, tmp_path: Path) -> None:
    tag, register = new_tag(), CleanupRegister(tmp_path)
    with ExitStack() as stack:
        specs = [LabSpec(tag, "direct", at, clients=8, ip_version=version) for at in range(2)]
        labs = [stack.enter_context(built(spec, register)) for spec in specs]
        addresses = [client.address for lab in labs for client in lab.clients]
        assert len(set(addresses)) == 16
        held = HeldNamespaces(*(name for lab in labs for name in lab.namespaces))
        assert len(held.inodes()) == 2 * 11
        lab = labs[0]
        assert dict(lab.offloads) == offloads.DEFAULTS
        assert [ends.expected_source for ends in lab.client_endpoints] == [client.address for client in lab.clients]
        before = [device_packets(one) for one in labs]
        assert sum(sum(packets.values()) for packets in before) == 0, "no neighbour is ever asked for"
        where = (lab.server_address, lab.origin_port)
        with listening(lab) as listener:
            for client in lab.clients:
                with netns.call_in(client.netns, lambda: socket.create_connection(where, timeout=2)):
                    connection, (peer, *_) = listener.accept()
                    connection.close()
                assert peer == client.address
        assert device_packets(labs[1]) == before[1]
        packets = device_packets(lab)
        assert packets["client"] == packets["dut_client"] == packets["dut_server"] == packets["server"]
        for name in lab.namespaces:
            neighbours = netns.run_in(name, ["ip", f"-{version}", "neigh", "show"]).splitlines()
            assert neighbours
            assert all(neighbour.split()[-1] == "PERMANENT" for neighbour in neighbours)
    assert_nothing_left(tag, held, tmp_path)


def test_clients_see_a_datapath_that_shows_another_address_as_it_is(tmp_path: Path) -> None:
    lab = Lab(LabSpec("abc123", "direct", 0, clients=2), CleanupRegister(tmp_path))
    assert [ends.expected_source for ends in lab.client_endpoints] == ["198.18.100.11", "198.18.100.12"]
    lab.client_endpoint = replace(lab.client_endpoint, expected_source=lab.dut_server_address)
    assert [ends.expected_source for ends in lab.client_endpoints] == [lab.dut_server_address] * 2
    assert [ends.netns for ends in lab.client_endpoints] == [f"{lab.client_ns}-1", f"{lab.client_ns}-2"]
    alone = Lab(LabSpec("abc123", "direct", 0), CleanupRegister(tmp_path))
    assert alone.client_endpoints == (alone.client_endpoint,)
    assert alone.namespaces == (alone.client_ns, alone.dut_ns, alone.server_ns)
    for count in (0, 9):
        with pytest.raises(ValueError, match="clients"):
            LabSpec("abc123", "direct", 0, clients=count)


@pytest.mark.parametrize("version", [0, 5, 46])
def test_a_lab_is_of_one_of_two_ip_versions(version: int) -> None:
    with pytest.raises(ValueError, match="ip_version"):
        LabSpec("abc123", "direct", 0, ip_version=version)
