"""A block is valid, whatever the host has set that a new network namespace takes over.

The hostile values are written into each namespace of a lab at the moment at which it exists, before Showdown sets its
own. They are exactly what inheriting them from the host would leave there. The host itself stays as it is, so a killed
test leaves nothing behind, and other tests beside this one see nothing of it. (net.core.devconf_inherit_init_net would
make namespaces inherit from the thread that creates them. But it is a setting of the whole machine.)
"""

import contextlib
import os
from pathlib import Path

import pytest

from tests.calm import calm_origins
from tests.host_noise import in_windows
from tests.kernel.bench import new_tag
from tests.kernel.runner.test_block import measure, reasons
from tests.variants import RUNNABLE
from workers.lab import netns, sysctls
from workers.lab.cleanup import CleanupRegister
from workers.lab.lab import DEVICES, built
from workers.lab.spec import LabSpec
from workers.lab.sysctl_values import known

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

PLACES = ("ipv4/conf", "ipv6/conf", "netfilter", "core")
HOSTILE = {
    "arp_announce": "2",
    "arp_ignore": "8",
    "hop_limit": "1",
    "nf_conntrack_events": "0",
    "rp_filter": "1",
}
"""The worst value of a setting. A switch is turned over, and any other number becomes 1."""
NOT_THE_NAMESPACES_OWN = ("nf_hooks_lwtunnel",)  # the whole kernel's, and it cannot be switched off again
SET_BY_THE_KERNEL = ("mtu",)  # from the device, for each new one
IN_EFFECT = 150  # settings that must at least be found, so that the test is not empty


def taken_over() -> dict[str, str]:
    """Every setting that the calling thread's namespace has as its own, with its hostile value."""
    found = {}
    for place in PLACES:
        for file in Path("/proc/sys/net", place).rglob("*"):
            key = str(file.relative_to("/proc/sys"))
            with contextlib.suppress(OSError, ValueError):  # unreadable, or a name
                if file.stat().st_mode & 0o200 and file.name not in NOT_THE_NAMESPACES_OWN + SET_BY_THE_KERNEL:
                    value = int(file.read_text())
                    found[key] = HOSTILE.get(file.name) or ("0" if value == 1 else "1")
    return found


def make_hostile() -> set[str]:
    """Write the hostile values into the calling thread's namespace; returns which of them it took."""
    taken = set()
    for key, value in taken_over().items():
        with contextlib.suppress(OSError):  # not between its bounds
            Path("/proc/sys", key).write_text(value)
            taken.add(key)
    return taken


@pytest.fixture
def hostile_host(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Every namespace that is made takes over hostile values; the settings that had an effect."""
    create, taken = netns.create, set[str]()

    def hostile(name: str) -> None:
        create(name)
        taken.update(netns.call_in(name, make_hostile))

    monkeypatch.setattr(netns, "create", hostile)
    return taken


SOME = {"direct", "tproxy", "ebpf_sk_assign", "ebpf_redirect", "splice_proxy", "nft_dnat"}
EVERY_ONE = {4: set(RUNNABLE), 6: SOME}
"""The datapaths by IP version: every setting is hostile in both, so one version takes all."""


@pytest.mark.parametrize("version", EVERY_ONE)
@calm_origins()
@in_windows
def test_every_datapath_is_valid_on_a_hostile_host(tmp_path: Path, hostile_host: set[str], version: int) -> None:
    labels = tuple(name for name in RUNNABLE if name in EVERY_ONE[version])
    trials = measure(tmp_path, labels, ip_version=version, turns=1)
    assert {label: trial.validity for label, trial in trials.items() if reasons(trial)} == {}
    assert {"net/ipv4/conf/all/src_valid_mark", "net/ipv6/conf/default/disable_ipv6"} <= hostile_host
    assert len(hostile_host) > IN_EFFECT


def test_each_namespace_and_device_has_the_labs_values(tmp_path: Path, hostile_host: set[str]) -> None:
    del hostile_host
    with built(LabSpec(new_tag(), "direct", 0, clients=2), CleanupRegister(tmp_path)) as lab:
        for name in lab.namespaces:
            wanted = {key: value for version in sysctls.versions() for key, value in known(version).items()}
            routes = name == lab.dut_ns or name == lab.client_ns  # with several clients, theirs routes, too
            assert netns.call_in(name, lambda: differing(wanted)) <= (FORWARDING if routes else set())  # noqa: B023
        for device, role in DEVICES.items():
            mine = f"net/ipv4/conf/{lab.devices[device]}"
            read = {f"{mine}/rp_filter": "0", f"{mine}/src_valid_mark": "0", f"{mine}/arp_ignore": "0"}
            assert netns.call_in(lab.netns_of(role), lambda: differing(read)) == set()  # noqa: B023


FORWARDING = {
    *(f"net/{ip}/conf/{place}/forwarding" for ip in ("ipv4", "ipv6") for place in ("all", "default", "lo")),
    "net/ipv4/conf/all/accept_redirects",
}
"""What a namespace that forwards has otherwise."""


def differing(wanted: dict[str, str]) -> set[str]:
    """The settings that exist and have another value."""
    found = {key: Path("/proc/sys", key).read_text().strip() for key in wanted if os.path.exists(f"/proc/sys/{key}")}
    return {key for key, value in found.items() if value.replace(",", "").strip("0") != wanted[key].strip("0")}


def test_a_value_that_the_kernel_does_not_keep_is_an_error() -> None:
    with pytest.raises(OSError, match=r"does not keep net\.ipv4\.conf\.all\.rp_filter = 01"):
        netns.call_in_new(lambda: sysctls.set_known({"net/ipv4/conf/all/rp_filter": "01"}))
