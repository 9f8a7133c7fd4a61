"""A worker host's vitals: its clock, and whether messages reach it through Redis."""

from typing import Annotated

from pydantic import Field

from domain.loads.duration import duration_text
from domain.values.bounds import PRINTABLE, text
from domain.values.frozen import Frozen

_MOST = 2**53
DEAF_S = 75.0
"""A host that did not answer the coordinator's pings for so long is deaf. They are sent every 20 s, and the answers
come every 30 s."""

SKEW_SHOWN_S = 2.0
"""Clocks that differ by less are called equal: a report may be this late."""


class DroppedMessages(Frozen):
    """Messages that a worker dropped since its start, by cause."""

    too_large: int = Field(default=0, ge=0, le=_MOST)
    malformed: int = Field(default=0, ge=0, le=_MOST)
    not_authentic: int = Field(default=0, ge=0, le=_MOST)
    repeated: int = Field(default=0, ge=0, le=_MOST)

    @property
    def total(self) -> int:
        """All of them."""
        return self.too_large + self.malformed + self.not_authentic + self.repeated


class HostVitals(Frozen):
    """What a worker says about itself every 30 s. Ages, not times: its clock may differ from the coordinator's."""

    clock_s: float = Field(ge=0, le=1e11, allow_inf_nan=False, description="The host's clock, seconds since 1970.")
    heard_s: float | None = Field(
        default=None,
        ge=0,
        le=1e11,
        allow_inf_nan=False,
        description="The age of the newest authentic message; null before the first.",
    )
    dropped: DroppedMessages = DroppedMessages()
    load_1m: float | None = Field(
        default=None, ge=0, le=1e6, allow_inf_nan=False, description="The host's load average of one minute."
    )
    stolen: float | None = Field(
        default=None, ge=0, le=1, description="Share of CPU time that the hypervisor took since the report before."
    )
    broker_error: Annotated[str, text(300), PRINTABLE] = Field(
        default="", description="Why the host cannot reach Redis; else empty."
    )


def remedy(host: str, vitals: HostVitals | None) -> str:
    """What to do about a deaf host."""
    if vitals is not None and vitals.broker_error:
        return f"{host} cannot reach Redis ({vitals.broker_error}): check SHOWDOWN_BROKER_URL and the network there."
    if vitals is not None and vitals.dropped.not_authentic and vitals.heard_s is None:
        return f"{host} drops the coordinator's messages as not authentic: 'showdown hosts enrol {host} --replace'."
    return (
        f"Check that {host} and the coordinator use the same Redis (SHOWDOWN_BROKER_URL). "
        f"Its worker restarts by itself; if that does not help, restart it there."
    )


def clock_words(skew_s: float) -> str:
    """A host's clock compared with the coordinator's."""
    if abs(skew_s) < SKEW_SHOWN_S:
        return "as the coordinator's"
    return f"{duration_text(abs(skew_s))} {'ahead of' if skew_s > 0 else 'behind'} the coordinator's"
