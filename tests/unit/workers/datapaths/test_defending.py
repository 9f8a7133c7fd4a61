"""What defences share: the sources that they found, their limit, and what they offer in the server's name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workers.datapaths import nft_synproxy
from workers.datapaths.lib import defending
from workers.lab import blocklist, netns
from workers.lab.cleanup import CleanupRegister
from workers.lab.lab import Lab
from workers.lab.spec import LabSpec


def lab_of(directory: Path, **fields: Any) -> Lab:
    return Lab(LabSpec("abc123", "fake", 0, **fields), CleanupRegister(directory))


@pytest.mark.parametrize("ip_version", [4, 6])
def test_found_sources_are_attackers_or_clients(tmp_path: Path, ip_version: int) -> None:
    lab = lab_of(tmp_path, ip_version=ip_version, sources=10, syn_flood_per_s=20_000)
    attackers = [blocklist.address_at(ip_version, number) for number in range(15)]
    found = defending.found_figures(lab, [*attackers, lab.source_addresses[3], lab.server_address])
    assert {one.name: one.value for one in found} == {"attackers_found_percent": 75, "clients_hurt_percent": 10}
    assert defending.found_figures(lab_of(tmp_path), attackers) == ()


def test_only_a_flood_asks_for_a_limit_that_can_be_reached(tmp_path: Path) -> None:
    asked, unasked = defending.limit_of(lab_of(tmp_path, syn_flood_per_s=20_000)), defending.limit_of(lab_of(tmp_path))
    assert asked.per_s < 20_000 / 20 < unasked.per_s


@pytest.mark.parametrize(
    ("ip_version", "mtu", "buffers", "mss", "scale"),
    [
        (4, None, (6 << 20, 212_992), 1460, 7),
        (6, 9000, (32 << 20, 4 << 20), 8940, 10),
        (4, 1280, (4096, 65_536), 1240, 1),
    ],
)
def test_the_offer_is_what_the_server_itself_would_offer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ip_version: int, mtu: int | None, buffers: tuple[int, int],
    mss: int, scale: int,
) -> None:  # fmt: skip
    lab = lab_of(tmp_path, ip_version=ip_version, mtu=mtu)
    texts = {"tcp_rmem": f"4096\t131072\t{buffers[0]}\n", "rmem_max": f"{buffers[1]}\n"}
    monkeypatch.setattr(Path, "read_text", lambda self: texts[self.name])

    def call(name: str, function: Callable[[], int]) -> int:
        assert name.endswith("-server")
        return function()

    monkeypatch.setattr(netns, "call_in", call)
    assert defending.offer_of(lab) == defending.Offer(mss, scale)


def test_the_statistics_of_the_synproxy_are_sums_of_hexadecimal_numbers(tmp_path: Path) -> None:
    file = tmp_path / "synproxy"
    file.write_text("entries\t\tsyn_received\tcookie_valid\n00000000\t0000000a\t1\n00000000\t00000010\t2\n")
    with file.open() as opened:
        found = nft_synproxy.statistics_of(opened.fileno())
    assert found == {"entries": 0, "syn_received": 26, "cookie_valid": 3}
