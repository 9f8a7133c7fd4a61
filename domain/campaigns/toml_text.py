"""A campaign as a TOML file that gives the same campaign again. Pure."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from domain.campaigns.campaign import Campaign

_WIDE = 100  # characters of an array on one line


def toml_text(campaign: Campaign, *, comment: str = "") -> str:
    """The file, with a comment on top. Fields that are empty or not set are left out."""
    data = {name: value for name, value in campaign.model_dump(mode="json").items() if value not in (None, "", [], {})}
    tables = {name: value for name, value in data.items() if isinstance(value, dict)}
    lines = [f"# {line}" for line in comment.splitlines()] + ([""] if comment else [])
    lines += [f"{name} = {_value(value)}" for name, value in data.items() if name not in tables]
    for name, table in tables.items():
        lines += _table(name, table)
    return "\n".join(lines) + "\n"


def submitted_toml(record: Mapping[str, Any]) -> str:
    """The file of a campaign as submitted; a comment has its id, and the seed that was drawn."""
    comment = f"Campaign {record['id']} as submitted; the seed of its order was {record['seed']}."
    return toml_text(Campaign.model_validate(record["campaign"]), comment=comment)


def _table(name: str, table: Mapping[str, Any]) -> Iterator[str]:
    inner = {key: value for key, value in table.items() if isinstance(value, dict)}
    plain = {key: value for key, value in table.items() if key not in inner}
    if plain:
        yield from ("", f"[{name}]", *(f"{key} = {_value(value)}" for key, value in plain.items()))
    for key, value in inner.items():
        yield from _table(f"{name}.{key}", value)


def _value(value: Any) -> str:
    if isinstance(value, list):
        texts = [_value(one) for one in value]
        line = f"[{', '.join(texts)}]"
        return line if len(line) <= _WIDE else "\n".join(["[", *(f"  {text}," for text in texts), "]"])
    if isinstance(value, str):
        # A basic string of TOML is a string of JSON, except that DEL needs an escape.
        return json.dumps(value, ensure_ascii=False, allow_nan=False).replace("\x7f", "\\u007f")
    return json.dumps(value, allow_nan=False)
