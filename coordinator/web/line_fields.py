"""The form's fields of several entries: primary comparisons, margins as ``name = number``, and lists of names. Pure."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

NAMES = ("focus", "focus_levels", "probe_levels")  # with commas between them
FIELDS = ("primary", "margins", *NAMES)


def texts_of(data: Mapping[str, Any]) -> dict[str, str]:
    """A campaign's entries as lines, by field."""
    margins = (f"{name} = {number:g}" for name, number in data.get("margins", {}).items())
    names = {name: ", ".join(data.get(name, ())) for name in NAMES}
    return {"primary": "\n".join(data.get("primary", ())), "margins": "\n".join(margins), **names}


def mapping_of(texts: Mapping[str, str]) -> dict[str, Any]:
    """The lines as a TOML file would have given them; fields without lines are left out."""
    lines = {name: [line.strip() for line in texts.get(name, "").splitlines() if line.strip()] for name in FIELDS}
    pairs = [line.partition("=") for line in lines["margins"]]
    found = {"primary": lines["primary"], "margins": {name.strip(): _number(value) for name, _, value in pairs}}
    found |= {name: [one.strip() for one in texts.get(name, "").split(",") if one.strip()] for name in NAMES}
    return {name: value for name, value in found.items() if value}


def _number(text: str) -> float | str:
    with suppress(ValueError):
        return float(text)
    return text.strip()
