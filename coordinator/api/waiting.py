"""Waiting for a campaign's end: one request in place of a hundred.

A waiting request occupies a thread of users, so few may wait at once. The others are answered at once, and so are
clients whose patience has ended: they look at the state and ask again. Workers' requests have other threads.
"""

import threading
import time

from pydantic import BaseModel, Field
from sqlalchemy import select

from coordinator.scheduling.lifecycle import CampaignState
from coordinator.store.rows.database import Store
from coordinator.store.rows.models import CampaignRow

LONGEST_S = 20
AT_ONCE = 3  # of the eight threads of users
LOOK_EACH_S = 0.25

_room = threading.BoundedSemaphore(AT_ONCE)


class WaitQuery(BaseModel):
    """How long the answer may wait."""

    wait: int = Field(
        default=0, ge=0, le=LONGEST_S,
        description="Seconds: the answer waits so long for the campaign to end, or to pause. It comes at once if "
        f"{AT_ONCE} others wait.",
    )  # fmt: skip


def await_end(store: Store, campaign_id: str, longest_s: float) -> None:
    """Return when the campaign has ended, pauses or is unknown, and after ``longest_s`` in any case."""
    if not longest_s or not _room.acquire(blocking=False):
        return
    try:
        give_up_at = time.monotonic() + longest_s
        while _goes_on(store, campaign_id) and (left_s := give_up_at - time.monotonic()) > 0:
            time.sleep(min(LOOK_EACH_S, left_s))
    finally:
        _room.release()


def _goes_on(store: Store, campaign_id: str) -> bool:
    with store.read() as session:
        query = select(CampaignRow.state, CampaignRow.paused).where(CampaignRow.id == campaign_id)
        row = session.execute(query).first()
    return row is not None and not row.paused and not CampaignState(row.state).ended
