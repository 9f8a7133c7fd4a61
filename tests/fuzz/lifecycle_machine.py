"""Random faults of coordinator, broker and workers, in random order; each run ends when all its campaigns have ended.

``python -m tests.fuzz lifecycle --seed 7`` repeats a run of the long form.
"""

import functools
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.fuzz.fake_workers import Mood
from tests.fuzz.world import CAMPAIGNS, HOSTS, World

HOUR_S = 3600.0
MOST_CAMPAIGNS = 3
MOST_STORIES = 6  # campaigns, with those that a story begins
LIFE_EACH = 8
RUNS, STEPS = 10, 400
_MEMORY = Path("/dev/shm")  # SQLite on a disk takes several times as long

hosts = st.sampled_from(HOSTS)
places = st.integers(0, 3)
flags = st.booleans()


def step(**drawn: Any) -> Callable[[Callable[..., None]], Any]:
    """A rule that counts as a step, and after which the judge looks."""

    def decorate(method: Callable[..., None]) -> Any:
        @functools.wraps(method)
        def counted(self: "Lifecycle", **values: Any) -> None:
            self.is_sound = False
            method(self, **values)
            self.world.judge.look()
            self.is_sound = True
            self.made += 1
            type(self).steps += 1

        return rule(**drawn)(counted)

    return decorate


class Lifecycle(RuleBasedStateMachine):
    """Each rule is a fault, or a step of ordinary life."""

    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="showdown-fuzz-", dir=_MEMORY if _MEMORY.is_dir() else None))
        self.world = World(self.directory)
        self.is_sound, self.made = True, 0

    def teardown(self) -> None:
        """Unless a rule failed: stop the faults, and let every campaign end."""
        try:
            if self.is_sound:
                self.world.settle()
        finally:
            self.world.close()
            shutil.rmtree(self.directory, ignore_errors=True)

    @initialize(kind=st.sampled_from(sorted(CAMPAIGNS)))
    def begin(self, kind: str) -> None:
        """Both hosts register, and there is a campaign."""
        for worker in self.world.workers.values():
            self.world.register(worker)
        self.world.submit(kind)

    # Ordinary life

    @precondition(lambda self: len(self.world.campaigns) < MOST_CAMPAIGNS)
    @step(kind=st.sampled_from(sorted(CAMPAIGNS)))
    def submit(self, kind: str) -> None:
        self.world.submit(kind)

    @precondition(lambda self: self.made % LIFE_EACH == 0)  # it is many steps in one, and takes as long
    @step()
    def go_on(self) -> None:
        self.world.go_on()

    @step(seconds=st.sampled_from([0.5, 3.0, 16.0, 25.0, 70.0, 130.0]))
    def pass_time(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @step()
    def tick(self) -> None:
        self.world.tick()

    @step(host=hosts)
    def register(self, host: str) -> None:
        self.world.register(self.world.workers[host])

    @step(host=hosts, answer_lost=flags)
    def take(self, host: str, answer_lost: bool) -> None:
        self.world.take(self.world.workers[host], answer_lost=answer_lost)

    @step(host=hosts)
    def take_all(self, host: str) -> None:
        while self.world.take(self.world.workers[host]):
            pass

    @step(host=hosts)
    def beat(self, host: str) -> None:
        self.world.beat(self.world.workers[host])

    @step(host=hosts, outcome=st.sampled_from(["sound", "disturbed", "failure"]))
    def finish(self, host: str, outcome: str) -> None:
        self.world.finish(self.world.workers[host], outcome)

    @step(host=hosts, which=places, answer_lost=flags)
    def deliver(self, host: str, which: int, answer_lost: bool) -> None:
        self.world.deliver(self.world.workers[host], which, answer_lost=answer_lost)

    # Whole stories: their steps in this order are rare among random ones

    @step(host=hosts, outcome=st.sampled_from(["sound", "disturbed", "failure"]))
    def report_twice(self, host: str, outcome: str) -> None:
        """The coordinator's answer to a report is lost, so the worker delivers it again."""
        worker = self.world.workers[host]
        self.world.take(worker)
        self.world.finish(worker, outcome)
        self.world.deliver(worker, answer_lost=True)
        self.world.judge.look()
        self.world.deliver(worker)

    @precondition(lambda self: self.made % LIFE_EACH == LIFE_EACH // 2 and len(self.world.campaigns) < MOST_STORIES)
    @step(host=hosts, begins=flags, others_begin=flags)
    def cut_off(self, host: str, begins: bool, others_begin: bool) -> None:
        """A host is away, with a block or its message, until another one has it; then it is back.

        Another host takes a block only if it has no other one. With other campaigns around, that hardly ever happens.
        """
        self.world.heal()
        self.world.rest()
        self.world.submit("one block")
        queues = self.world.broker.queues
        worker = next((one for one in self.world.workers.values() if queues.get(one.name)), self.world.workers[host])
        if begins:
            self.world.take(worker)
        self.world.cut_off(worker, others_begin=others_begin)
        self.world.finish(worker, "sound")
        self.world.deliver(worker)
        self.world.judge.look()
        self.world.take(worker)

    @precondition(lambda self: self.world.is_faulty)  # otherwise the trivial run does nothing else, and takes long
    @step()
    def heal(self) -> None:
        """Every part works again."""
        self.world.heal()

    # Faults of a host

    @step(host=hosts)
    def crash(self, host: str) -> None:
        self.world.workers[host].crash()

    @step(host=hosts)
    def start(self, host: str) -> None:
        self.world.workers[host].is_up = True

    @step(host=hosts, reachable=flags)
    def network(self, host: str, reachable: bool) -> None:
        self.world.workers[host].is_reachable = reachable

    @step(host=hosts, deaf=flags)
    def ears(self, host: str, deaf: bool) -> None:
        self.world.workers[host].is_deaf = deaf

    @step(host=hosts, skew_s=st.sampled_from([-HOUR_S, 0.0, HOUR_S]))
    def skew(self, host: str, skew_s: float) -> None:
        self.world.workers[host].skew_s = skew_s

    @step(host=hosts)
    def remove_host(self, host: str) -> None:
        self.world.remove_host(host)

    # Faults of the broker

    @step(mood=st.sampled_from(Mood))
    def broker(self, mood: Mood) -> None:
        self.world.broker.mood = mood

    @step(host=hosts)
    def lose_messages(self, host: str) -> None:
        self.world.broker.queues.pop(host, None)

    @step(host=hosts)
    def shuffle_messages(self, host: str) -> None:
        queue = self.world.broker.queues.get(host, [])
        queue.extend(queue[:4])
        queue.reverse()

    # Faults of the coordinator, and what users do

    @step()
    def restart_coordinator(self) -> None:
        self.world.restart_coordinator()

    @step(by_s=st.sampled_from([-HOUR_S, -30.0, 30.0, HOUR_S]))
    def set_clock(self, by_s: float) -> None:
        self.world.wall_s += by_s

    @precondition(lambda self: self.world.campaigns)
    @step(which=places)
    def cancel(self, which: int) -> None:
        self.world.cancel(self.world.campaigns[which % len(self.world.campaigns)])

    @precondition(lambda self: self.world.campaigns)
    @step(which=places)
    def quarantine(self, which: int) -> None:
        self.world.quarantine(self.world.campaigns[which % len(self.world.campaigns)])

    @step()
    def release(self) -> None:
        self.world.release_all()


def run(seed_number: int, least_steps: int, *, shrinks: bool = True) -> int:
    """Runs of up to :data:`STEPS` steps, at least so many in all; returns the steps made.

    Raises what a rule or the judge raised.
    """
    made = 0
    while made < least_steps:
        # No more of them than the steps that are left need. The first run of each time is a trivial one.
        runs = min(RUNS, 2 + (least_steps - made) // STEPS)
        made += _some_runs(seed_number + made, runs, shrinks=shrinks)
    return made


def _some_runs(seed_number: int, runs: int, *, shrinks: bool) -> int:
    class Counted(Lifecycle):
        steps = 0

    chosen = settings(
        max_examples=runs,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=False,  # the seed decides
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, *([Phase.shrink] if shrinks else [])],
        verbosity=Verbosity.normal,
        print_blob=False,
    )
    run_state_machine_as_test(seed(seed_number)(Counted), settings=chosen)
    return Counted.steps
