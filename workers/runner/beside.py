"""Runs of a block's traffic with something beside it: the attack of a condition, and changes of a datapath's list."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from domain.loads.condition import Condition
from domain.service.jobs import Phase
from domain.trials.figures import TrialFigure
from domain.trials.trial import Reason
from workers.datapaths.base import Changing, Datapath, DatapathError
from workers.lab.conditions import ConditionError
from workers.runner import failover
from workers.runner.attack_proof import attack_findings
from workers.runner.flood_proof import flood_findings
from workers.runner.idle_memory import measure_idle_memory
from workers.runner.measurement import Measuring
from workers.runner.trial_run import TrialRun
from workers.traffic.base import Schedule
from workers.traffic.event import OriginEvent

CHANGE_SLICE_S = 0.3
CHANGE_AFTER_S = 0.2  # the generator opens its connections first


def run_counted(measuring: Measuring, trial_runs: Sequence[TrialRun], schedule: Schedule, *, attacked: bool) -> None:
    """All counted slices in one run; with an attack or an event, which is on one lab at a time, in one run per slice.

    Each of these runs begins with the warm-up.
    """
    event = measuring.plan.event
    if not attacked and event is None:
        measuring.run(trial_runs, schedule)
        return
    by_label = {trial_run.label: trial_run for trial_run in trial_runs}
    for label in schedule.order:
        one = replace(schedule, order=(label,))
        if event is None:
            run_one(measuring, by_label[label], one)
        else:
            run_with_event(measuring, by_label[label], one, event)


def run_one(
    measuring: Measuring, trial_run: TrialRun, schedule: Schedule, *, probed: bool = False, profiled: bool = False
) -> None:
    """One run on one lab, with its attack; nothing if it is not usable."""
    if not trial_run.usable:
        return
    try:
        measuring.run([trial_run], schedule, probed=probed, profiled=profiled, beside=_attacked(trial_run))
    except ConditionError as error:
        trial_run.fail(error)


def run_with_event(measuring: Measuring, trial_run: TrialRun, schedule: Schedule, event: OriginEvent) -> None:
    """One counted slice on one lab, in which an origin dies and comes back; nothing if it is not usable."""
    if not trial_run.usable:
        return
    if why := failover.too_short(event, schedule.slice_s):
        trial_run.evidence.add_finding(Reason.EVENT_MISSING, why)
        return
    death, counted = failover.Death(trial_run, event, schedule.warm_up_s), len(trial_run.counted_slices)
    try:
        measuring.run([trial_run], schedule, beside=failover.beside(death, _attacked(trial_run)))
    except (ConditionError, DatapathError) as error:
        trial_run.fail(error)
    failover.conclude(trial_run, event, death, trial_run.counted_slices[counted:])


def run_uncounted(measuring: Measuring, trial_runs: Sequence[TrialRun], condition: Condition) -> None:
    """What condition and workload have besides the counted slices: changes of a list, and idle connections."""
    if condition.blocklist_entries:
        run_changes(measuring, trial_runs)
    for trial_run in trial_runs if measuring.plan.idle_connections else ():
        if trial_run.usable:
            measuring.progress(Phase.SLICES, trial_run.label, measuring.slices_done)
            measure_idle_memory(trial_run, measuring.plan.idle_connections, measuring.sleep)


def run_changes(measuring: Measuring, trial_runs: Sequence[TrialRun]) -> None:
    """Change the list of each datapath that has one, under the load and the attack of its lab. No figure counts it."""
    for trial_run in trial_runs:
        if not isinstance(attachment := trial_run.attachment, Changing):
            continue
        schedule = Schedule((trial_run.label,), CHANGE_SLICE_S)
        changing = _changed(trial_run, attachment)
        try:
            measuring.run([trial_run], schedule, profiled=True, beside=changing)
        except (ConditionError, DatapathError) as error:
            trial_run.fail(error)


def conclude_attack(trial_run: TrialRun, datapath: Datapath) -> None:
    """Add what came of the attack or flood to the evidence.

    A datapath that blocks attacks must have blocked all of it. For one that accounts for floods it must be known what
    became of each SYN.
    """
    evidence = trial_run.evidence
    evidence.attack = trial_run.applied.attack()
    if not evidence.requests:
        return
    if datapath.blocks_attacks and not evidence.condition.syn_flood_per_s:
        for finding in attack_findings(evidence.attack, evidence.counters.denied_packets):
            evidence.add_finding(*finding)
    if datapath.accounts_for_floods:
        for finding in flood_findings(evidence.attack, evidence.counters, evidence.opened):
            evidence.add_finding(*finding)


@contextmanager
def _attacked(trial_run: TrialRun) -> Iterator[None]:
    with trial_run.applied.beside():
        began = time.monotonic()  # the sender has begun
        yield
        trial_run.evidence.attack_s += time.monotonic() - began


@contextmanager
def _changed(trial_run: TrialRun, attachment: Changing) -> Iterator[None]:
    """Change the list once meanwhile. Raises ``DatapathError`` if that failed."""
    took_s: list[float] = []
    errors: list[DatapathError] = []

    def change() -> None:
        time.sleep(CHANGE_AFTER_S)
        began = time.monotonic()
        try:
            changes = attachment.change()
        except DatapathError as error:
            errors.append(error)
        else:
            took_s.append((time.monotonic() - began) / changes)

    thread = threading.Thread(target=change, name="change", daemon=True)
    with _attacked(trial_run):
        thread.start()
        try:
            yield
        finally:
            thread.join()
    if errors:
        raise errors[0]
    ms = took_s[0] * 1e3
    trial_run.evidence.own_figures.append(
        TrialFigure(name="change_ms", title=attachment.change_title, unit="ms", value=ms)
    )
