"""A refusal for lack of privilege is not taken for a kernel that lacks something."""

import errno
import subprocess
from pathlib import Path

import pytest
from pyroute2.netlink.exceptions import NetlinkError

from bpf.loader import BpfError
from workers.inventory import features
from workers.inventory.features import probe_features
from workers.inventory.privileges import remedy_of_refusal
from workers.inventory.refused import Refused

ALL = "000001ffffffffff"
WITHOUT_SYS_ADMIN = "000001ffffdfffff"
DOCKERS = "00000000a80425fb"


def status(tmp_path: Path, capabilities: str, seccomp: int = 0) -> Path:
    path = tmp_path / "status"
    path.write_text(f"Name:\tpython\nCapEff:\t{capabilities}\nSeccomp:\t{seccomp}\n")
    return path


def caused(by: Exception) -> Refused:
    error = Refused("nft: it is not there")
    error.__cause__ = by
    return error


REFUSALS = [
    OSError(errno.EPERM, "Operation not permitted"),
    NetlinkError(errno.EPERM, "Operation not permitted"),
    BpfError("BPF_PROG_LOAD: Operation not permitted (EPERM)"),
    subprocess.CalledProcessError(1, ["nft"], stderr="Error: Operation not permitted\n"),
    caused(PermissionError(errno.EACCES, "Permission denied")),
]


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: type(error).__name__)
def test_a_missing_capability_is_named(tmp_path: Path, error: Exception) -> None:
    assert "CAP_NET_ADMIN and CAP_SYS_ADMIN" in remedy_of_refusal(error, status(tmp_path, DOCKERS))
    remedy = remedy_of_refusal(error, status(tmp_path, WITHOUT_SYS_ADMIN))
    assert "CAP_SYS_ADMIN" in remedy
    assert "CAP_NET_ADMIN" not in remedy
    assert "--privileged" in remedy


def test_with_all_capabilities_it_is_the_profile_or_the_kernel(tmp_path: Path) -> None:
    assert "seccomp" in remedy_of_refusal(REFUSALS[0], status(tmp_path, ALL, seccomp=2))
    assert remedy_of_refusal(REFUSALS[0], status(tmp_path, ALL)) == ""
    assert remedy_of_refusal(REFUSALS[0], tmp_path / "gone") != ""


def test_a_read_only_proc_sys_is_no_missing_feature(tmp_path: Path) -> None:
    error = OSError(errno.EROFS, "Read-only file system", "/proc/sys/net/ipv4/conf/all/rp_filter")
    assert "/proc/sys is read-only" in remedy_of_refusal(error, status(tmp_path, ALL))


def test_what_the_kernel_lacks_keeps_its_remedy(tmp_path: Path) -> None:
    for error in (OSError(errno.ENOENT, "No such file or directory"), Refused("nft: unknown expression")):
        assert remedy_of_refusal(error, status(tmp_path, DOCKERS)) == ""


def test_a_refusal_of_netlink_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise NetlinkError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(features, "TRIES", (features.Try("netkit", refuse, "Use Linux 6.7.", needs_root=False),))
    found = {feature.name: feature for feature in probe_features({})}["netkit"]
    assert found.reason == "Operation not supported."


def test_a_refused_feature_has_the_remedy_of_privileges(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    tried = features.Try("netns.sysctl", refuse, "Use a kernel that has it.", needs_root=False)
    monkeypatch.setattr(features, "TRIES", (tried,))
    found = {feature.name: feature for feature in probe_features({})}["netns.sysctl"]
    assert "read-only" in found.remedy
    assert "kernel that has it" not in found.remedy
