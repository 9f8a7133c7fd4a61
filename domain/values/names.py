"""The allowed names, and the message for a name that is not allowed."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated

from pydantic import StringConstraints

_NAME = r"^[a-z][a-z0-9_]{0,31}$"
_LABEL = r"^[a-z][a-z0-9_]{0,31}(#[2-9])?$"
_HOST = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$"
MAX_HOST_NAME = 253  # of a DNS name; Linux allows 64 in the name of a machine
_CAMPAIGN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
_CAMPAIGN_ID = r"^[a-z0-9]{1,16}$"
_BLOCK_ID = r"^[a-z0-9]{1,16}(-[a-z0-9]{1,16})?$"
_LEASE = r"^[A-Za-z0-9_-]{1,64}$"
_NAMED = r"^[a-z0-9][a-z0-9._-]{0,62}$"
_CRON = r"^[A-Za-z0-9*/,#-]+( +[A-Za-z0-9*/,#-]+){4}$"
_ZONE = r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$"
_SERIES = r"^[0-9a-f]{16}$"
_EMAIL = r"^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+$"

Name = Annotated[str, StringConstraints(pattern=_NAME)]
"""The name of a variant or level; it becomes a metric tag, a file name and part of a namespace's name."""

Label = Annotated[str, StringConstraints(pattern=_LABEL)]
"""A datapath within a campaign: its name, or ``name#2`` for the second copy in an A/A comparison."""

HostName = Annotated[str, StringConstraints(pattern=_HOST, max_length=MAX_HOST_NAME)]
"""A worker host's full name: labels with dots between them."""

FUNCTIONS: Mapping[str, str] = {
    "forward": "forwarding",
    "steer": "proxying",
    "splice": "splicing",
    "balance": "balancing",
    "terminate": "TLS termination",
    "filter": "filtering",
    "defend": "defence against floods",
    "shape": "shaping",
    "gateway": "an L7 gateway",
}
"""What a datapath does to traffic, in the order of tables, with the word for sentences. One row adds a function."""

LIMIT = "limit"
"""The role of a datapath that no other can beat, so that figures are shown as shares of it."""

LIMIT_BEFORE_ROLES = "direct"
"""The datapath with that role in results that were stored before trials had roles."""

CampaignName = Annotated[str, StringConstraints(pattern=_CAMPAIGN)]

HOST_NAME_SHAPE = "must be a host's name: lower-case letters, digits and '-', no '-' at the ends, '.' between the parts"
CampaignId = Annotated[str, StringConstraints(pattern=_CAMPAIGN_ID)]
"""A campaign's id. It becomes a part of paths and queries, so it has no other character."""

BlockId = Annotated[str, StringConstraints(pattern=_BLOCK_ID)]
"""A block's id: the campaign's and the block's number. It becomes a part of URLs and file names."""

LeaseToken = Annotated[str, StringConstraints(pattern=_LEASE)]
"""The lease of an attempt, which its worker's reports must name."""

TokenName = Annotated[str, StringConstraints(pattern=_NAMED)]
"""The name of a user's token; it becomes a part of paths and of the audit log."""

CronText = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100, pattern=_CRON)]
"""A cron expression: minute, hour, day of the month, month, day of the week."""

ZoneName = Annotated[str, StringConstraints(strip_whitespace=True, max_length=64, pattern=_ZONE)]
"""A name of the IANA time zone database, such as ``Europe/Berlin``."""

SeriesId = Annotated[str, StringConstraints(pattern=_SERIES)]
"""The id of a series of campaigns."""

EmailAddress = Annotated[str, StringConstraints(strip_whitespace=True, max_length=254, pattern=_EMAIL)]
"""Where a mail goes."""

_LOWER = "lower-case letters, digits and '_', beginning with a letter, at most 32"

SHAPES = {
    _NAME: f"must be a name: {_LOWER}",
    _LABEL: f"must be a datapath's name ({_LOWER}), or that with '#2' for its second copy",
    _HOST: HOST_NAME_SHAPE,
    _CAMPAIGN: "must be letters, digits, '.', '_' and '-', beginning with a letter or digit, at most 64",
    _CAMPAIGN_ID: "must be a campaign's id: lower-case letters and digits, at most 16",
    _BLOCK_ID: "must be a block's id: the campaign's id, '-' and a number",
    _CRON: "must be five fields: minute, hour, day of the month, month, day of the week, as in 30 2 * * *",
    _ZONE: "must be the name of a time zone, such as UTC or Europe/Berlin",
    _SERIES: "must be the id of a series: sixteen digits, 0 to 9 and a to f",
    _EMAIL: "must be an e-mail address",
    _LEASE: "must be a lease: letters, digits, '_' and '-', at most 64",
    _NAMED: "must be lower-case letters, digits, '.', '_' and '-', beginning with a letter or digit, at most 63",
}
"""By pattern: the message for text that does not match it."""


def is_host_name(text: str) -> bool:
    """True for a :data:`HostName`."""
    return len(text) <= MAX_HOST_NAME and re.fullmatch(_HOST, text) is not None


def is_token_name(text: str) -> bool:
    """True for a :data:`TokenName`."""
    return re.fullmatch(_NAMED, text) is not None


def is_campaign_id(text: str) -> bool:
    """True for a :data:`CampaignId`."""
    return re.fullmatch(_CAMPAIGN_ID, text) is not None


def host_name_of(node_name: str) -> str:
    """The host name for a machine's full node name, however that is spelt."""
    parts = (re.sub(r"[^a-z0-9-]+", "-", part).strip("-") for part in node_name.lower().split("."))
    return ".".join(filter(None, parts))[:MAX_HOST_NAME].strip("-.") or "host"


@lru_cache(maxsize=4096)
def datapath_of(label: str) -> str:
    """The datapath behind a label: ``datapath_of("direct#2") == "direct"``."""
    return label.partition("#")[0]


def labels_of(datapaths: Sequence[str]) -> tuple[str, ...]:
    """Each datapath's label; a second copy is ``name#2``."""
    return _labels_of(tuple(datapaths))


@lru_cache(maxsize=256)
def _labels_of(datapaths: tuple[str, ...]) -> tuple[str, ...]:
    seen: dict[str, int] = {}
    labels = []
    for name in datapaths:
        seen[name] = seen.get(name, 0) + 1
        labels.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return tuple(labels)
