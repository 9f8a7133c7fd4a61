"""The reference campaign's design for simulations, and the noise of a trial at each of its levels."""

import tomllib
from collections.abc import Mapping
from functools import cache

from coordinator.store.lifecycle.planning import most_blocks
from domain.campaigns.campaign import Campaign, read_campaign
from domain.loads.load import AnyLoad, CapacityLoad, ClosedLoad, ShareLoad
from tests import ROOT
from tests.simulated import Spreads

REFERENCE = ROOT / "deploy" / "campaigns" / "showdown.toml"
RATE_OF_A_PERCENT = 200  # any rate serves: noise does not depend on it here
RECORDED = {"open": (0.037, 0.13, 0.83), "closed": (0.032,)}  # at half of the capacity, and of 64 connections
_NOT_SIMULATED = ("probes", "probe_levels", "expect")


@cache
def reference() -> Campaign:
    """The reference campaign with rates for its shares, and without what is not simulated: probes and searches."""
    data = tomllib.loads(REFERENCE.read_text())
    levels = {name: _simulated(load) for name, load in read_campaign(data).levels.items() if name not in _searched()}
    kept = {field: value for field, value in data.items() if field not in _NOT_SIMULATED}
    return read_campaign(kept | {"levels": levels, "seed": 7})


def reference_rounds() -> int:
    """All rounds that the reference campaign's budget allows for, by the planner's estimate."""
    return most_blocks(read_campaign(tomllib.loads(REFERENCE.read_text())), hosts=1)


def _searched() -> frozenset[str]:
    levels = read_campaign(tomllib.loads(REFERENCE.read_text())).levels
    return frozenset(name for name, load in levels.items() if isinstance(load, CapacityLoad))


def _simulated(load: AnyLoad) -> str:
    return str(load.at(load.percent * RATE_OF_A_PERCENT) if isinstance(load, ShareLoad) else load)


def spreads_of(noise: Mapping[str, tuple[float, ...]], campaign: Campaign) -> Spreads:
    """The noise at each level of a campaign: measured there, else at another level of its kind, else as recorded."""
    spreads = {}
    for level, load in campaign.levels.items():
        known = RECORDED["closed" if isinstance(load, ClosedLoad) else "open"]
        alike = [one for one in noise.values() if len(one) == len(known)]
        spreads[level] = noise.get(level) or (alike[-1] if alike else known)
    return spreads
