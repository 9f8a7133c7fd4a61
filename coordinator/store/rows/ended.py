"""The condition that attempts have ended, for queries that something else limits already."""

from sqlalchemy import ColumnElement, func

from coordinator.store.rows.models import AttemptRow


def ended_as(*states: str) -> ColumnElement[bool]:
    """That an attempt has one of these states, in a query of one campaign or of some blocks.

    It uses no index: SQLite would take that of states, and read the ended attempts of every campaign.
    """
    return func.coalesce(AttemptRow.state, "").in_(states)
