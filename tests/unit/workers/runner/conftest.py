"""What every test of the runner begins with."""

import pytest

from tests.unit.workers.runner.fakes import World


@pytest.fixture
def world() -> World:
    return World()
