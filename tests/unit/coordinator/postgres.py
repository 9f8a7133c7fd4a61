"""A private PostgreSQL for tests of the coordinator; each test gets a new database of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests import postgresql


@contextmanager
def server() -> Iterator[Callable[[], str]]:
    """A function that makes a database and returns its URL."""
    with running() as found:
        yield found.new_database


@contextmanager
def running() -> Iterator[postgresql.Postgresql]:
    """The server itself; the test is skipped where PostgreSQL is not installed."""
    programs = postgresql.programs()
    if programs is None:
        pytest.skip("needs PostgreSQL's server programs (postgres, initdb, pg_ctl)")
    with postgresql.running(programs) as found:
        yield found
