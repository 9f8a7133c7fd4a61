"""A lab that several tests of one datapath use, because to build one takes most of the CPU time of a short test."""

from collections.abc import Iterator

import pytest

from tests.kernel.bench import Bench, bench
from tests.kernel.wire import Wire, wire
from tests.variants import DATAPATHS


@pytest.fixture(scope="module")
def shared(kernel: None, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """The lab of the datapath that is the parameter, or its name (:func:`tests.kernel.bench.sharing`).

    A test begins with ``b.begin()`` and leaves the datapath whole.
    """
    given = request.param
    with bench(DATAPATHS[given] if isinstance(given, str) else given, tmp_path_factory.mktemp("shared")) as b:
        yield b


@pytest.fixture(scope="module")
def shared_wire(
    kernel: None, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Wire]:
    """The same with the test as its origin; a test begins with ``w.begin()``."""
    with wire(DATAPATHS[request.param], tmp_path_factory.mktemp("shared")) as w:
        yield w
