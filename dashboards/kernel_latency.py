"""The dashboard *Kernel latency*: the time in kernel stages, for two datapaths side by side.

Stages and roles come from InfluxDB: a new probe appears without a change here.
"""

from collections.abc import Iterator

from dashboards import influxql, model
from dashboards.influxql import matches_variable, over_time, select
from dashboards.model import Json
from dashboards.panels import arrange, heatmap, lines, row, rows, series, table, trial_links, words
from domain.probes.sample import (
    BUCKETS,
    KERNEL_EVENT,
    KERNEL_LATENCY,
    KERNEL_WORK,
    bucket_bounds_ns,
    bucket_field,
)

UID = "showdown-kernel-latency"
SLOWEST = 25
SIDES = ("datapath", "against")
"""The variables that name the two datapaths."""

_SELECTED = (
    matches_variable("campaign"),
    matches_variable("host"),
    matches_variable("workload"),
    matches_variable("level"),
)
_STAGES = (matches_variable("stage"), matches_variable("role"))
_BOTH = f"({matches_variable('datapath')} OR {matches_variable('datapath', 'against')})"
_BUCKET_SUMS = ", ".join(f'sum("{bucket_field(index)}") AS "{bucket_bounds_ns(index)[1]}"' for index in range(BUCKETS))


def dashboard() -> Json:
    """The whole dashboard."""
    return model.dashboard(
        UID,
        "Showdown: kernel latency",
        "Time in the kernel by stage, for two datapaths side by side.",
        variables=[
            model.campaign_variable(),
            model.variable("host"),
            model.variable("datapath", multi=False),
            model.variable("against", tag="datapath", multi=False),
            model.variable("workload"),
            model.variable("level"),
            model.variable("stage", measurement=KERNEL_LATENCY),
            model.variable("role", measurement=KERNEL_LATENCY, absent_too=True),
            # Drops are a kind of work, but have a panel on the dashboard of hosts.
            model.query_variable(
                "work", "Work", influxql.field_names(KERNEL_WORK), multi=True, regex="/^(?!drops_).*$/"
            ),
        ],
        panels=arrange(_panels()),
    )


_EXPLAINED = """\
**Where the time goes in the kernel.** *Datapath* and *Against* are the two that are compared. *Stage* and *Role*
select stages of a request's path. Only watched slices have points: they explain the figures, and are not counted in
them. Times are in UTC.
"""


def _panels() -> Iterator[Json]:
    yield words("About this dashboard", _EXPLAINED)
    yield from _stage_table()
    yield row("Percentiles by stage: $datapath beside $against")
    for percentile, word in (("p50", "Median"), ("p99", "99th percentile")):
        for side in SIDES:
            yield lines(
                f"{word} by stage, ${side}",
                f"The {word.lower()} of each interval, by kernel stage and role. Percentiles are never averaged.",
                "ns",
                [
                    series(
                        select(f'"{percentile}_ns"', KERNEL_LATENCY, _side(side), ("stage", "role")),
                        "$tag_stage $tag_role",
                    )
                ],
                logarithmic=True,
            )
    yield row("The kernel's work")
    for side in SIDES:
        yield lines(
            f"Work by kind, ${side}",
            "How often the kernel did each kind of work while probes were attached (packets, context switches, …); "
            "counted or estimated, not timed.",
            "short",
            [
                series(
                    over_time(
                        f"sum({influxql.matching('^$work$')})",
                        KERNEL_WORK,
                        (*_SELECTED, matches_variable("datapath", side)),
                    ),
                    "$col",
                )
            ],
            logarithmic=True,
            trimmed="sum_",
        )
    yield row("$stage", repeat="stage")
    yield from _one_stage()


def _side(variable: str) -> tuple[str, ...]:
    return *_SELECTED, matches_variable("datapath", variable), *_STAGES


def _stage_table() -> Iterator[Json]:
    figures = (
        'sum("sum_ns") / sum("count") AS "mean_ns", max("max_ns") AS "max_ns", sum("count") AS "count", '
        'sum("count") / sum("started") AS "matched", sum("lost") AS "lost"'
    )
    yield table(
        "Stages",
        "Mean and maximum of each stage over the time range, the number of measured durations, their share of all "
        "starts, and the number lost. A stage matched to less than 95 % is not a figure.",
        rows(select(figures, KERNEL_LATENCY, (*_SELECTED, _BOTH, *_STAGES), ("stage", "role", "datapath"))),
        units={"mean_ns": "ns", "max_ns": "ns", "count": "short", "matched": "percentunit", "lost": "short"},
        hidden=("Time",),
        width=12,
    )
    details = '"stage", "role", "datapath", "workload", "level", "trial", "run"'
    columns = f'top("value_ns", {SLOWEST}) AS "value_ns", {details}'
    yield table(
        "Slowest events",
        f"The {SLOWEST} slowest of the sampled latencies, each with its trial.",
        rows(select(columns, KERNEL_EVENT, (*_SELECTED, _BOTH, *_STAGES))),
        units={"value_ns": "ns"},
        links=trial_links(model.TRIAL_PAGE),
        sorted_by="value_ns",
        width=12,
    )


def _one_stage() -> Iterator[Json]:
    """The panels that are repeated for each stage."""
    for side in SIDES:
        yield heatmap(
            f"$stage, ${side}",
            "The number of durations in each bucket of the kernel's histogram, over time.",
            series(over_time(_BUCKET_SUMS, KERNEL_LATENCY, _side(side)), "$col"),
        )
    both = (*_SELECTED, _BOTH, *_STAGES)
    yield lines(
        "$stage: median and 99th percentile",
        "Of each interval, both datapaths on one scale. Percentiles are never averaged.",
        "ns",
        [
            series(
                select(f'"{name}_ns"', KERNEL_LATENCY, both, ("datapath", "role")), f"{name} $tag_datapath $tag_role"
            )
            for name in ("p50", "p99")
        ],
        logarithmic=True,
    )
    yield lines(
        "$stage: sampled events",
        "Single latencies from a bounded sample: outliers and patterns that histograms hide.",
        "ns",
        [series(select('"value_ns"', KERNEL_EVENT, both, ("datapath", "role")), "$tag_datapath $tag_role")],
        logarithmic=True,
        points=True,
        links=[model.link("Campaign page", model.CAMPAIGN_PAGE)],
    )
