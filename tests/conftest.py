"""Fixtures of the whole suite."""

import os

import pytest


@pytest.fixture(scope="session")
def kernel() -> None:
    """Skip without root; in CI, where the kernel tests are the point, fail instead."""
    if os.geteuid() == 0:
        return
    reason = "needs root: makes network namespaces and loads BPF programs"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
