"""The whole stack, started once for the tests that only use it."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from deploy.cli.rest.client import ENDED, Coordinator
from deploy.stack.stack import SHOWDOWN, PrivateStack
from domain.hosts.environment import PYTHON_OPTIONS
from tests.e2e import tolerant
from tests.leftovers import OWN
from tests.servers import own_environment

CHROMIUM = os.environ.get("SHOWDOWN_CHROMIUM", "/usr/bin/chromium")
TOLERANT = (sys.executable, *PYTHON_OPTIONS, tolerant.__file__)
"""The argv of the command line on a host that other tests use."""
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


expect.set_options(timeout=30_000)  # a busy machine draws slowly


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for the tests of a file; each opens its own context.

    While it is open, this thread has an event loop that runs, and other tests need one of their own.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Running:
    """A stack that runs, and a client of it."""

    stack: PrivateStack
    coordinator: Coordinator

    def until(
        self, campaign_id: str, reached: Callable[[dict[str, Any]], bool], timeout_s: float = 60.0
    ) -> dict[str, Any]:
        """Look after the stack until the campaign is as wanted."""
        deadline = time.monotonic() + timeout_s
        while not reached(view := self.coordinator.campaign(campaign_id)):
            assert time.monotonic() < deadline, f"it did not happen in time: {view}"
            self.stack.watch()
            time.sleep(0.5)  # each question costs CPU time, and to the labs that is a foreign process
        return view

    def run(self, toml: str, timeout_s: float = 120.0) -> str:
        """Submit a campaign and wait for its end; returns its id."""
        campaign_id = str(self.coordinator.submit(toml)["id"])
        self.until(campaign_id, lambda view: view["state"] in ENDED, timeout_s)
        return campaign_id


METRICS = "metrics.sock"
"""Where the worker of a stack serves its metrics, in the directory of its state."""


@contextmanager
def running_stack(showdown: Sequence[str]) -> Iterator[Running]:
    """A separate stack, in which ``showdown`` is the command line."""
    # pytest's directories are too long for a unix socket's path.
    with OWN.directory("showdown-test-") as directory:
        environment = own_environment() | {"SHOWDOWN_WORKER_METRICS": str(directory / METRICS)}
        with (
            PrivateStack(directory, environment, showdown=showdown) as stack,
            Coordinator(stack.url, stack.token) as coordinator,
        ):
            yield Running(stack, coordinator)


@pytest.fixture(scope="package")
def running(kernel: None) -> Iterator[Running]:
    """One stack for all tests that leave it as they found it. It ends with them: it costs CPU time when idle."""
    with running_stack(TOLERANT) as running:
        yield running


@pytest.fixture
def strict(kernel: None) -> Iterator[Running]:
    """A stack that measures as users' do: for tests that run alone."""
    with running_stack(SHOWDOWN) as running:
        yield running
