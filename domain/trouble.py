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


# Without InfluxDB campaigns finish; each report says what is missing.
OPTIONAL = frozenset({Part.TELEMETRY})


class Trouble(BaseModel):
    """One part that does not work. ``since`` is when it last worked, or was first seen not to."""

    model_config = ConfigDict(frozen=True)

    part: Part
    what: str
    since: datetime
    remedy: str

    @property
    def stops_work(self) -> bool:
        """True if campaigns make no progress meanwhile."""
        return self.part not in OPTIONAL

    def sentence(self) -> str:
        """All of it, for a terminal."""
        return f"{self.what} since {self.since:%Y-%m-%d %H:%M:%S} UTC. {self.remedy}"


class Readiness(BaseModel):
    """The answer of ``/readyz``."""

    model_config = ConfigDict(frozen=True)

    checked_at: datetime
    troubles: tuple[Trouble, ...] = ()
    ready: bool = True
