"""The campaigns that are installed with Showdown, as beginnings of the form: ``deploy/campaigns/*.toml``. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from coordinator.store.lifecycle.planning import set_up_s
from domain.campaigns.budget import budget_s_of, is_adaptive
from domain.campaigns.campaign import Campaign, read_campaign_toml
from domain.campaigns.primary import read_primary
from domain.loads.duration import duration_text

REFERENCE = "showdown"  # what the form proposes, and its name among the presets
EMPTY = "empty"
_FIRST = ("quick", REFERENCE)


@dataclass(frozen=True)
class Preset:
    """One installed campaign: its key is the name of its file."""

    key: str
    toml: str
    campaign: Campaign

    @property
    def duration(self) -> str:
        """About how long it takes on one host, in words."""
        campaign = self.campaign
        blocks = campaign.total_blocks + campaign.calibration_blocks
        seconds = campaign.traffic_s + blocks * set_up_s(len(campaign.labels))
        minutes = max(seconds, budget_s_of(campaign)) / 60 if is_adaptive(campaign) else seconds / 60
        return f"about {duration_text(60 * round(minutes) if minutes > 1.5 else 10 * round(6 * minutes))}"


@cache
def presets() -> Mapping[str, Preset]:
    """All presets by key: a quick one first, then the reference campaign, then the others by name."""
    folder = files("deploy") / "campaigns"
    texts = {
        one.name.removesuffix(".toml"): one.read_text(encoding="utf-8")
        for one in folder.iterdir()
        if one.name.endswith(".toml")
    }
    keys = sorted(texts, key=lambda key: (_FIRST.index(key) if key in _FIRST else len(_FIRST), key))
    return {key: Preset(key, texts[key], read_campaign_toml(texts[key])) for key in keys}


def reference_campaign() -> Campaign:
    """The reference campaign."""
    return presets()[REFERENCE].campaign


def fitted(campaign: Campaign, available: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The campaign as JSON, as much of it as is ``available`` by family somewhere."""
    data = campaign.model_dump(mode="json")
    for family, names in available.items():
        data[family] = [name for name in data[family] if name in names] if names else data[family]
    if data["reference"] not in data["datapaths"]:
        data["reference"] = ""
    pairs = {entry: read_primary(entry) for entry in data["primary"]}
    data["primary"] = [text for text, one in pairs.items() if {one.label, one.reference} <= set(data["datapaths"])]
    if not set(data["focus"]) <= set(data["datapaths"]):
        data |= {"focus": [], "focus_levels": [], "focus_slices": None}
    if not data["probes"]:
        data["probe_levels"] = []
    return data


def left_out(campaign: Campaign, data: Mapping[str, Any]) -> tuple[str, ...]:
    """The variants of a campaign that its fitted ``data`` lack."""
    whole = campaign.model_dump(mode="json")
    families = ("datapaths", "workloads", "probes")
    return tuple(name for family in families for name in whole[family] if name not in data[family])
