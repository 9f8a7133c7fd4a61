"""What keeps the service from its work: which part, since when, and what to do."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Part(StrEnum):
    """What the coordinator needs, in the order in which trouble is shown."""

    DATABASE = "database"
    DISK = "disk"
    BROKER = "broker"
    TICKER = "ticker"
    TELEMETRY = "telemetry"


class Trouble(BaseModel):
    """One part that does not work. ``since`` is when it last worked, or was first seen not to.

    Campaigns make no progress meanwhile if it ``stops_work``.
    """

    model_config = ConfigDict(frozen=True)

    part: Part
    what: str
    since: datetime
    remedy: str
    stops_work: bool = True

    def sentence(self) -> str:
        """All of it, for a terminal."""
        return f"{self.what} since {self.since:%Y-%m-%d %H:%M:%S} UTC. {self.remedy}"


class Readiness(BaseModel):
    """The answer of ``/readyz``."""

    model_config = ConfigDict(frozen=True)

    checked_at: datetime
    troubles: tuple[Trouble, ...] = ()
    ready: bool = True
