"""The deletion of a campaign's telemetry, with the statement that InfluxDB 1.x and 2.x share."""

from coordinator.telemetry.reader import Influx, check_id, query
from domain.reports.campaign_points import MEASUREMENTS


def delete_telemetry(influx: Influx, campaign_id: str) -> None:
    """Delete every point of a campaign; nothing to do without an InfluxDB. Raises ``TelemetryUnavailable``.

    The measurements are named: other programs may write to the same database.
    """
    if not influx.url:
        return
    where = f"\"campaign\" = '{check_id(campaign_id)}'"
    for measurement in MEASUREMENTS:
        query(influx, f'DELETE FROM "{measurement}" WHERE {where}')  # noqa: S608 (both are checked names)
