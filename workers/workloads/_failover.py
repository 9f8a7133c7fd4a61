"""What the workloads share in which an origin dies and comes back: their parameters, the event, and its figures.

Times of a death are real ones: the runner notes when the origin was dead, and the generator counts failures by time.
"""

from abc import ABC
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from domain.loads.load import ClosedLoad, OpenLoad
from domain.loads.workload import Parameter, fill_parameters
from domain.trials.evenness import jain
from domain.trials.figures import TrialFigure, TrialFigures, TrialSeries, series_of
from workers.lab.health import HealthCheck, Mark
from workers.traffic.base import GeneratorPlan, SliceTraffic
from workers.traffic.event import Failed, OriginEvent
from workers.traffic.showdown_traffic import TIMEOUT_MS
from workers.workloads._own import OwnWorkload, body_bytes
from workers.workloads.base import DEFAULTS, Observed, OriginFailure

STEP_S = 0.01
_PER_POINT = 10  # steps of a point of the series
_LATE_S = 0.3  # for a connection that was refused just before the return to be opened again


class Failover(OwnWorkload, ABC):
    """In each counted slice one origin dies and comes back, while requests go on."""

    kept_connections: ClassVar[bool]
    """Clients keep their connections open: those that break can be counted."""
    joins: ClassVar[bool] = False
    """The origin is dead before a slice begins, and balancers lose their table of connections when it comes back."""

    parameters = (
        body_bytes(128, 1 << 20, "Body of each answer."),
        Parameter(name="dies_ms", unit="ms", default=500, minimum=100, maximum=60_000,
                  summary="When the origin dies, after a slice's start."),
        Parameter(name="down_ms", unit="ms", default=800, minimum=100, maximum=60_000,
                  summary="How long it is dead."),
        Parameter(name="silent", unit="0 or 1", default=0, minimum=0, maximum=1,
                  summary="1: its packets are dropped; 0: its process ends."),
        Parameter(name="check_ms", unit="ms", default=100, minimum=20, maximum=10_000,
                  summary="Time from one health check of an origin to the next."),
        Parameter(name="check_failures", unit="checks", default=2, minimum=1, maximum=10,
                  summary="Failed checks in a row after which an origin is down."),
        Parameter(name="check_successes", unit="checks", default=2, minimum=1, maximum=10,
                  summary="Successful checks in a row after which it is up again."),
    )  # fmt: skip
    of_the_lab: ClassVar[frozenset[str]] = frozenset(one.name for one in parameters[1:])

    def plan(self, level: ClosedLoad | OpenLoad, parameters: Mapping[str, int] = DEFAULTS) -> GeneratorPlan:
        """With the event; the generator reports failures by their time."""
        values = fill_parameters(self.name, self.parameters, parameters)
        check = HealthCheck(values["check_ms"] / 1000, values["check_failures"], values["check_successes"])
        silent = bool(values["silent"])
        event = OriginEvent(
            dies_s=values["dies_ms"] / 1000,
            down_s=values["down_ms"] / 1000,
            silent=silent,
            check=check,
            # What was sent to an origin that does not answer fails after the time-out.
            late_s=(TIMEOUT_MS / 1000 if silent else 0.0) + (check.up_within_s if self.joins else 0.0) + _LATE_S,
            kept_connections=self.kept_connections,
            joins=self.joins,
        )
        return replace(super().plan(level, parameters), failed_step_s=STEP_S, event=event)

    def figures(self, observed: Observed) -> TrialFigures:
        """What was lost, for how long, what moved, and how even the origins were used."""
        return figures_of(observed)


def figures_of(observed: Observed) -> TrialFigures:
    """The figures of a trial in which the event happened: means over its deaths."""
    pairs = [(one, death) for one, death in zip(observed.slices, observed.deaths, strict=False) if one.failed]
    if not pairs:
        return TrialFigures()
    each = [dict(_of_one(one, _failed(one), death)) for one, death in pairs]
    figures = []
    for name, (title, unit) in _TITLES.items():
        if known := [values[name] for values in each if name in values]:
            most = {"%": 100.0, "": 1.0}.get(unit)  # a figure without a unit is an evenness
            figures.append(TrialFigure(name=name, title=title, unit=unit, most=most, value=sum(known) / len(known)))
    return TrialFigures(figures=tuple(figures), series=(_errors([one for one, _ in pairs], observed.began_s),))


_TITLES: Mapping[str, tuple[str, str]] = {
    "lost": ("requests lost", "requests"),
    "lost_until_ms": ("last lost request was due, after the death", "ms"),
    "errors_until_ms": ("last error, after the death", "ms"),
    "down_ms": ("marked down, after the death", "ms"),
    "up_ms": ("marked up, after the return", "ms"),
    "wrong_marks": ("living origins marked down", "origins"),
    "moved_at_death": ("connections of living origins broken, at the death", "connections"),
    "moved_at_return": ("connections broken, at the return", "connections"),
    "moved_percent": ("connections broken at the return, of all", "%"),
    "hash_moves_percent": ("slots that change at the return, computed", "%"),
    "even_before": ("evenness before the death (Jain)", ""),
    "even_down": ("evenness of the others meanwhile (Jain)", ""),
    "even_after": ("evenness after the return (Jain)", ""),
}


def _of_one(one: SliceTraffic, failed: Failed, death: OriginFailure) -> Iterator[tuple[str, float]]:
    died_s = death.died_s - one.started_s
    yield "lost", sum(failed.lost)
    if not death.joined:
        yield "lost_until_ms", _until_ms(failed.lost, failed.step_s, died_s)
        yield "errors_until_ms", _until_ms(failed.errors, failed.step_s, died_s)
    yield from _marks(death)
    yield from _moved(death)
    if death.hash_moves is not None:
        yield "hash_moves_percent", 100 * death.hash_moves
    for name, counts in _given(death):
        if (evenness := jain(counts)) is not None:
            yield name, evenness


def _failed(one: SliceTraffic) -> Failed:
    if one.failed is None:
        raise ValueError("the slice does not say what failed")
    return one.failed


def _until_ms(counts: Sequence[int], step_s: float, died_s: float) -> float:
    """From the death until the end of the last step with a count; 0 if there is none."""
    last = max((step for step, count in enumerate(counts) if count), default=-1)
    return max(0.0, (last + 1) * step_s - died_s) * 1000 if last >= 0 else 0.0


def _marks(death: OriginFailure) -> Iterator[tuple[str, float]]:
    if not death.checked:
        return
    own = [mark for mark in death.marks if mark.address == death.address and mark.at_s >= death.died_s]
    if not death.joined and (down := _first(own, up=False)) is not None:
        yield "down_ms", (down - death.died_s) * 1000
    if (up := _first([mark for mark in own if mark.at_s >= death.returned_s], up=True)) is not None:
        yield "up_ms", (up - death.returned_s) * 1000
    yield "wrong_marks", len({mark.address for mark in death.marks if not mark.up} - {death.address})


def _first(marks: Sequence[Mark], *, up: bool) -> float | None:
    return min((mark.at_s for mark in marks if mark.up is up), default=None)


def _moved(death: OriginFailure) -> Iterator[tuple[str, float]]:
    if death.open_connections is None:
        return
    *before, meanwhile, after = death.open_connections
    for one in before:  # none if it joined
        broken = len(one.of_clients - meanwhile.of_clients)
        yield "moved_at_death", max(0, broken - one.by_origin.get(death.address, 0))
    broken = len(meanwhile.of_clients - after.of_clients)
    yield "moved_at_return", broken
    if meanwhile.of_clients:
        yield "moved_percent", 100 * broken / len(meanwhile.of_clients)


def _given(death: OriginFailure) -> Iterator[tuple[str, list[int]]]:
    """New connections by origin: before the death, meanwhile without the dead one, and once all were up again."""
    names = ("even_down", "", "even_after") if death.joined else ("even_before", "even_down", "", "even_after")
    for name, earlier, later in zip(names, death.given, death.given[1:], strict=False):
        gained = {address: count - earlier.get(address, 0) for address, count in later.items()}
        if name == "even_down":
            gained.pop(death.address, None)
        if name:
            yield name, list(gained.values())


def _errors(slices: Sequence[SliceTraffic], began_s: float) -> TrialSeries:
    at_s, values = [], []
    for one in slices:
        failed = _failed(one)
        within = failed.errors[:-1]  # the last step is later than the slice
        for step in range(0, len(within), _PER_POINT):
            at_s.append(one.started_s - began_s + (step + _PER_POINT) * failed.step_s)
            values.append(float(sum(within[step : step + _PER_POINT])))
    return series_of("errors", "errors in each 0.1 s", "errors", at_s, values)
