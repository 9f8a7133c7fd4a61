"""How many points of a campaign InfluxDB has: at least what its account calls delivered, at most what was sent."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from domain.reports.campaign_points import CAMPAIGN_EVENT, CAMPAIGN_PROGRESS, COST, VERDICT

ANSWERS_WITHIN_S = 20.0
OF_PROGRESS = frozenset({CAMPAIGN_EVENT, CAMPAIGN_PROGRESS, COST, VERDICT})
"""A worker sends most of these when a block's account is closed, so no account has them."""


@dataclass(frozen=True)
class Rows:
    """Points by where they come from."""

    of_blocks: int
    of_progress: int = 0

    @property
    def all(self) -> int:
        """All of them."""
        return self.of_blocks + self.of_progress


def rows_of(environment: Mapping[str, str], campaign_id: str) -> Rows:
    """The points of a campaign in a stack's InfluxDB 1.x, which may still be starting. Raises ``httpx.HTTPError``."""
    query = {"db": environment["SHOWDOWN_INFLUX_BUCKET"], "q": f"SELECT * FROM /.*/ WHERE campaign = '{campaign_id}'"}
    user, _, password = environment["SHOWDOWN_INFLUX_TOKEN"].partition(":")
    deadline = time.monotonic() + ANSWERS_WITHIN_S
    while True:
        try:
            answer = httpx.get(
                f"{environment['SHOWDOWN_INFLUX_URL']}/query",
                params=query,
                auth=(user, password),
                timeout=10,
                trust_env=False,
            )
            answer.raise_for_status()
            series = answer.json()["results"][0].get("series", ())
            of_progress = sum(len(one["values"]) for one in series if one["name"] in OF_PROGRESS)
            return Rows(sum(len(one["values"]) for one in series) - of_progress, of_progress)
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
