"""How many points of a campaign InfluxDB has: never fewer than its account calls delivered."""

import time
from collections.abc import Mapping

import httpx

ANSWERS_WITHIN_S = 20.0


def rows_of(environment: Mapping[str, str], campaign_id: str) -> int:
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
            return sum(len(one["values"]) for one in answer.json()["results"][0].get("series", ()))
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
