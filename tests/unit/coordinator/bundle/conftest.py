"""One bundle that the tests of this folder share: a campaign of five blocks and two datapaths."""

import pytest

from tests.unit.coordinator.bundle.bundles import bundle_of, finished
from tests.unit.coordinator.coordinator_app import CoordinatorApp


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    app = CoordinatorApp(tmp_path_factory.mktemp("bundle"))
    found = bundle_of(app, finished(app))
    app.close()
    return found
