"""What most tests of the coordinator begin with: a whole one on a database of its own, and a browser signed in."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.unit.coordinator.coordinator_app import House
from tests.unit.coordinator.pages import signed_in


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.close()


@pytest.fixture
def browser(house: House) -> FlaskClient:
    return signed_in(house)
