"""The fixture that most tests of probes use."""

import os
from collections.abc import Iterator

import pytest

from tests.kernel.probes.probe_lab import ProbeLab, probe_lab


@pytest.fixture(scope="module")
def lab() -> Iterator[ProbeLab]:
    """An idle lab, which the tests of one file share."""
    with probe_lab(os.getpid()) as lab:
        yield lab
