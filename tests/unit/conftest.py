"""What most tests of the coordinator begin with: a whole one with its database, and a browser signed in."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from flask.testing import FlaskClient

from tests.postgresql import Postgresql
from tests.redis_server import open_redis
from tests.unit.coordinator import postgres
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import signed_in


@pytest.fixture
def coordinator_app(tmp_path: Path) -> Iterator[CoordinatorApp]:
    app = CoordinatorApp(tmp_path)
    yield app
    app.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def app_on_both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CoordinatorApp]:
    """A coordinator on each of the two databases, in turns."""
    app = CoordinatorApp(tmp_path, request.getfixturevalue("postgres_url") if request.param == "postgresql" else "")
    yield app
    app.close()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[redis.Redis]:
    """A Redis without a password, on a socket of the test."""
    with open_redis(tmp_path) as client:
        yield client


@pytest.fixture
def browser(coordinator_app: CoordinatorApp) -> FlaskClient:
    return signed_in(coordinator_app)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgresql]:
    with postgres.running() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server(postgresql: Postgresql) -> Callable[[], str]:
    return postgresql.new_database


@pytest.fixture
def postgres_url(postgres_server: Callable[[], str]) -> str:
    return postgres_server()
