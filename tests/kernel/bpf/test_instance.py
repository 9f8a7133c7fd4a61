"""Instances of compiled modules: maps are written by the field names of the C source, and links can be detached."""

import os
from collections.abc import Iterator

import pytest

from bpf.entries import entries_of, put
from bpf.enums import AttachType, ProgramType
from bpf.instance import Instance
from bpf.loader import BpfError, Module
from workers.lab import cgroups

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

FIELDS = {
    "netns_cookie": 1,
    "origin": bytes([192, 0, 2, 1]),
    "proxy": bytes([192, 0, 2, 2]),
    "port": 2,
    "proxy_port": 3,
    "proxy_process": 4,
}


@pytest.fixture(scope="module")
def module(kernel: None) -> Iterator[Module]:
    with Module("datapaths/ebpf_connect.c", {"IP_VERSION": 4}) as compiled:
        yield compiled


@pytest.fixture
def programs(module: Module) -> Iterator[Instance]:
    hook = AttachType.CGROUP_INET4_CONNECT
    with Instance(
        module, ["rewrite"], ["config", "counts"], ProgramType.CGROUP_SOCK_ADDR, attach_type=hook
    ) as instance:
        yield instance


def test_configuration_is_written_by_the_field_names_of_the_c_source(programs: Instance) -> None:
    programs.write("config", 0, **FIELDS)
    programs.clear("config", 0)
    with pytest.raises(BpfError, match=r"ebpf_connect\.c: config has no field pid"):
        programs.write("config", 0, **FIELDS, pid=4)
    with pytest.raises(BpfError, match="config lacks its field proxy"):
        programs.write("config", 0, **{name: value for name, value in FIELDS.items() if name != "proxy"})
    with pytest.raises(BpfError, match=r"config\.origin has 4 bytes, not 8"):
        programs.write("config", 0, **{**FIELDS, "origin": bytes(8), "netns_cookie": bytes(8)})
    with pytest.raises(BpfError, match="config lacks its field netns_cookie"):
        programs.write("config", 0)


def test_an_instance_reports_whether_its_program_is_attached(programs: Instance) -> None:
    root = cgroups.open_root()
    try:
        programs.attach("rewrite", root, AttachType.CGROUP_INET4_CONNECT)
    finally:
        os.close(root)
    assert programs.is_attached("rewrite")
    programs.detach("rewrite")
    assert not programs.is_attached("rewrite")


def test_an_entry_of_a_hash_map_is_put_as_it_lies_in_memory(kernel: None) -> None:
    defines = {"IP_VERSION": 4, "MAX_ORIGINS": 9, "MAGLEV_SLOTS": 11, "CONNECTIONS_KEPT": 8}
    with (
        Module("datapaths/ebpf_lb.c", defines) as compiled,
        Instance(compiled, [], ["origins"], ProgramType.SCHED_CLS) as balancer,
    ):
        origins, address = balancer.map_fd("origins"), bytes([198, 19, 0, 2])
        put(origins, address, bytes(4))
        put(origins, address, bytes([1, 0, 0, 0]))
        assert entries_of(origins) == [(address, bytes([1, 0, 0, 0]))]
        with pytest.raises(BpfError, match="keys have 4 bytes and values 4, not 16 and 4"):
            put(origins, bytes(16), bytes(4))
