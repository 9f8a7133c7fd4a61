"""The specification of a lab."""

import re
from dataclasses import dataclass

from domain.load import MAX_CLIENTS
from workers.lab.cleanup import TAG

MAX_POSITION = 31

_LABEL = re.compile(r"^[a-z][a-z0-9_]{0,31}(#[2-9])?$")


@dataclass(frozen=True)
class LabSpec:
    """A lab to build. Each block attempt has its ``tag`` (six of 0-9a-z), and each lab in it its ``position`` (0–31).

    With several ``clients``, the client's namespace is their router, and each client has a namespace behind it.
    ``disabled_offloads`` (workers/lab/offloads.py) are off on every device of the lab. Its traffic uses
    ``ip_version``, 4 or 6.
    """

    tag: str
    label: str
    position: int
    campaign_id: str = ""
    block_id: str = ""
    clients: int = 1
    disabled_offloads: frozenset[str] = frozenset()
    ip_version: int = 4

    def __post_init__(self) -> None:
        if not TAG.match(self.tag):
            raise ValueError(f"tag {self.tag!r}: must be six of 0-9 and a-z")
        if not _LABEL.match(self.label):
            raise ValueError(f"label {self.label!r}: not a datapath's label")
        if not 0 <= self.position <= MAX_POSITION:
            raise ValueError(f"position {self.position}: must be 0 to {MAX_POSITION}")
        if not 1 <= self.clients <= MAX_CLIENTS:
            raise ValueError(f"clients {self.clients}: must be 1 to {MAX_CLIENTS}")
        if self.ip_version not in (4, 6):
            raise ValueError(f"ip_version {self.ip_version}: must be 4 or 6")
