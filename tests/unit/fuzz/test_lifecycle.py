"""Random faults in simulated time, and a test of the test: products that are broken on purpose are found out."""

import inspect
import logging
from collections.abc import Iterator
from types import ModuleType

import pytest

from coordinator import ticker
from coordinator.store import transitions, work
from tests.fuzz.lifecycle_machine import run

SEEDS, LEAST_STEPS = range(4), 2_500  # the suite has the same runs every time; make fuzz draws others
BREAKS = {
    "a message is never sent again": (ticker, "resend_unclaimed", "now - RESEND_S", "-1.0", "the campaign is"),
    "another host's attempt can be claimed": (work, "claim", "attempt.host != host", "False", "belongs to"),
    "a report counts whenever it is repeated": (
        work, "report", "attempt.state not in {AttemptState.RUNNING, AttemptState.LOST}", "False", "is not allowed in",
    ),
    "a late result counts though its block runs again": (
        transitions, "accept_late", "block.state not in {BlockState.WAITING, BlockState.DISPATCHED}", "False",
        "its open attempts are",
    ),
    "a cancelled campaign keeps its waiting blocks": (
        transitions, "cancel_campaign", "(BlockState.HELD, BlockState.WAITING, BlockState.DISPATCHED)",
        "(BlockState.HELD, BlockState.DISPATCHED)", "the campaign is cancelling",
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _silent() -> Iterator[None]:
    """Thousands of lines about faults on purpose take as long as the faults."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("seed", SEEDS)
def test_campaigns_end_and_count_each_result_once_whatever_fails(seed: int) -> None:
    assert run(seed, LEAST_STEPS) >= LEAST_STEPS


def break_it(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, old: str, new: str) -> None:
    """Replace a piece of a function's text."""
    source = inspect.getsource(getattr(module, name))
    assert source.count(old) == 1, f"{name} has changed: change this test, too"
    found: dict[str, object] = {}
    exec(compile(source.replace(old, new), module.__file__ or "", "exec"), vars(module) | found, found)
    monkeypatch.setattr(module, name, found[name])


@pytest.mark.parametrize("kind", BREAKS)
def test_a_broken_product_is_found_out(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, name, old, new, said = BREAKS[kind]
    break_it(monkeypatch, module, name, old, new)
    with pytest.raises(Exception, match=said):
        run(0, 10 * LEAST_STEPS, shrinks=False)
