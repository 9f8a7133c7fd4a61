"""Random faults in simulated time, and a test of the test: products that are broken on purpose are found out."""

import inspect
import logging
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from sqlalchemy.exc import IntegrityError

from coordinator.store.lifecycle import transitions, work
from coordinator.store.upkeep import rounds
from tests.fuzz.fake_workers import Mood, Worker
from tests.fuzz.judge import Violation
from tests.fuzz.lifecycle_machine import run
from tests.fuzz.world import World

SEEDS, LEAST_STEPS = range(4), 1_500  # the suite has the same runs every time; make fuzz draws others
BREAKS = {
    "a message is never sent again": (rounds, "unclaimed_attempts", "now - RESEND_S", "-1.0", "the campaign is"),
    "another host's attempt can be claimed": (work, "claim", "attempt.host != host", "False", "belongs to"),
    "a report counts whenever it is repeated": (
        work, "report", "attempt.state not in {AttemptState.RUNNING, AttemptState.LOST}", "False",
        "UNIQUE constraint failed",
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


def lose_a_message(world: World) -> None:
    world.broker.mood = Mood.LOSING
    world.submit("one block")
    world.settle()


def claim_what_has_moved(world: World) -> None:
    world.submit("one block")
    (name,) = world.broker.queues
    for worker in world.workers.values():
        worker.is_reachable = worker.name != name
    wait(world, 100)
    world.workers[name].is_reachable = True
    world.take(world.workers[name])


def report_twice(world: World) -> None:
    worker = begun(world)
    world.finish(worker, "sound")
    world.deliver(worker, answer_lost=True)
    world.deliver(worker)


def report_late(world: World) -> None:
    worker = begun(world)
    worker.is_reachable = False
    wait(world, 120)
    (other,) = [one for one in world.workers.values() if one is not worker]
    while other.job is None:
        assert world.take(other)
    world.finish(worker, "sound")
    worker.is_reachable = True
    world.deliver(worker)
    world.judge.look()


def cancel_what_waits(world: World) -> None:
    world.submit("three blocks")
    world.cancel(world.campaigns[0])
    world.settle()


def begun(world: World) -> Worker:
    """The worker that has claimed the only block of a campaign."""
    world.submit("one block")
    (name,) = world.broker.queues
    world.take(world.workers[name])
    return world.workers[name]


def wait(world: World, seconds: int) -> None:
    for _ in range(0, seconds, 5):
        world.pass_time(5)
        for worker in world.workers.values():
            world.register(worker)
        world.tick()


_IN_ORDER = (lose_a_message, claim_what_has_moved, report_twice, report_late, cancel_what_waits)
SEQUENCES = dict(zip(BREAKS, _IN_ORDER, strict=True))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    for worker in made.workers.values():
        made.register(worker)
    made.tick()
    yield made
    made.close()


@pytest.mark.parametrize("kind", BREAKS)
def test_a_broken_product_is_found_out(kind: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the shortest sequence that shows it; the sound product has nothing to find there."""
    module, name, old, new, said = BREAKS[kind]
    break_it(monkeypatch, module, name, old, new)
    with pytest.raises((Violation, IntegrityError), match=said):
        SEQUENCES[kind](world)


@pytest.mark.parametrize("kind", BREAKS)
def test_a_sound_product_is_not(kind: str, world: World) -> None:
    SEQUENCES[kind](world)
    world.settle()
