"""A campaign as TOML is the same campaign."""

from pathlib import Path

import pytest

from domain.campaigns.campaign import read_campaign, read_campaign_toml
from domain.campaigns.toml_text import toml_text
from tests import ROOT


@pytest.mark.parametrize("path", sorted((ROOT / "deploy/campaigns").glob("*.toml")), ids=lambda path: path.stem)
def test_every_installed_campaign_comes_back(path: Path) -> None:
    campaign = read_campaign_toml(path.read_text())
    assert read_campaign_toml(toml_text(campaign, comment="one\ntwo")) == campaign


def test_every_field_comes_back() -> None:
    campaign = read_campaign(
        {
            "name": "x", "description": 'a "quoted"\ttext\n\\ with é', "datapaths": ["direct", "tproxy", "tproxy"],
            "reference": "tproxy#2", "workloads": ["stream", "http_keepalive"], "parameters": {"stream": {"tokens": 5}},
            "levels": {"a": "open(25%) under conntrack", "b": "closed(8)"}, "blocks": 7, "slices": 2, "slice_s": 1.5,
            "open_slice_s": 2, "warm_up_s": 0, "clients": 2, "probes": ["run_queue"], "flame_graphs": True,
            "hosts": ["h1", "h2.example"], "seed": 3, "equivalence_margin": 0.05, "margins": {"latency_p99_us": 0.1},
            "primary": ["direct / tproxy: cpu_us_per_request"], "precision": 0.02, "budget": "90 min",
            "expect": {"cheap": "direct.cpu_us_per_request@a <= 1.05 * tproxy"},
        }
    )  # fmt: skip
    assert read_campaign_toml(toml_text(campaign)) == campaign
