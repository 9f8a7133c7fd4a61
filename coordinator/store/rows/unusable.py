"""A database that the coordinator cannot work with, in one sentence."""

from typing import TYPE_CHECKING

from sqlalchemy import Connection
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

if TYPE_CHECKING:
    from alembic.config import Config

_LONGEST_DETAIL = 300


class DatabaseUnusable(Exception):
    """The database is away, broken, or of a newer version; the message has the remedy."""


def require_known_revision(connection: Connection, config: "Config") -> None:
    """Raises :class:`DatabaseUnusable` if a newer version of Showdown has migrated the database."""
    from alembic.runtime.migration import MigrationContext  # late: see Store.migrate
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(config)
    known = {script.revision for script in scripts.walk_revisions()}
    unknown = [head for head in MigrationContext.configure(connection).get_current_heads() if head not in known]
    if unknown:
        raise DatabaseUnusable(
            f"the database {shown(connection.engine.url)} is of a newer version of Showdown (revision {unknown[0]}; "
            f"this version knows {max(known)} at most): start the newer version, or restore a backup from before the "
            f"upgrade"
        )


def unusable(error: SQLAlchemyError, url: URL) -> DatabaseUnusable:
    """What a failure to connect or to migrate means for the user."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    detail = " ".join(str(cause).split())[:_LONGEST_DETAIL]
    if url.get_backend_name() == "sqlite":
        remedy = f"check {url.database} and its directory, or move the file away to begin anew"
    else:
        remedy = "check that the server runs, and SHOWDOWN_DATABASE_URL"
    return DatabaseUnusable(f"the database {shown(url)} cannot be used ({detail}): {remedy}")


def shown(url: URL) -> str:
    """The address without its password."""
    return url.set(drivername=url.get_backend_name()).render_as_string(hide_password=True)
