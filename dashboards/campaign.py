"""The dashboard *Campaign*: progress, validity of trials, figures and verdicts."""

from collections.abc import Iterator

from dashboards import influxql, model
from dashboards.influxql import matches_variable, over_time, select
from dashboards.model import Json
from dashboards.panels import arrange, figures, lines, row, rows, series, table, trial_links, words
from domain.probes.sample import TRAFFIC
from domain.reports.campaign_points import CAMPAIGN_EVENT, CAMPAIGN_PROGRESS, COST, FIGURE, TRIAL, VERDICT

UID = "showdown"
NEWEST_TRIALS = 200
CAMPAIGNS_SINCE = "90d"
VARIABLES = ("host", "datapath", "workload", "level")

_CAMPAIGN = (matches_variable("campaign"),)
_CELLS = (*_CAMPAIGN, *map(matches_variable, VARIABLES))
_ON_HOSTS = (*_CAMPAIGN, matches_variable("host"))
_VERDICTS = (*_CAMPAIGN, matches_variable("datapath"), matches_variable("workload"), matches_variable("level"))
_BY_CELL = ("datapath", "level", "workload")
_CELL = "$tag_datapath, $tag_level $tag_workload"


def dashboard() -> Json:
    """The whole dashboard. Its uid never changes, so links to it stay valid."""
    return model.dashboard(
        UID,
        "Showdown: campaign",
        "A campaign's progress, the validity of its trials, their figures, and the verdicts.",
        variables=[
            model.campaign_variable(),
            *map(model.variable, VARIABLES),
            model.variable("metric", measurement=VERDICT, multi=False),
            model.variable("figure", measurement=FIGURE, multi=False),
        ],
        annotations=_annotations(),
        panels=arrange(_panels()),
    )


_EXPLAINED = """\
**One campaign.** *Campaign* lists start (UTC), name and id, the newest first. Empty charts mean that the campaign
is outside of the time range: the table *Campaigns* at the end links the range of each. Verdicts and figures are
copies. The [campaign's page](${showdown_url:raw}/campaigns/${campaign}) has all of them, with their evidence.
"""


def _panels() -> Iterator[Json]:
    yield words("About this dashboard", _EXPLAINED)
    yield from _progress()
    yield from _verdicts()
    yield row("Traffic")
    yield from _traffic()
    yield row("Trials")
    yield from _trials()
    yield row("Other campaigns")
    yield _campaigns()


_RANGE = (
    "/d/showdown?var-campaign=${__data.fields.campaign}"
    "&from=${__data.fields.from_ms.numeric}&to=${__data.fields.until_ms.numeric}&${datasource:queryparam}"
)


def _campaigns() -> Json:
    """Every campaign, each with a link that sets the time range to its own."""
    columns = 'last("blocks_ended") AS "ended", "blocks_failed", "blocks_planned", "name", "from_ms", "until_ms"'
    return table(
        "Campaigns",
        f"The campaigns of the last {CAMPAIGNS_SINCE[:-1]} days by their last block. The id links to the campaign in "
        "its range of time.",
        rows(select(columns, CAMPAIGN_PROGRESS, (), ("campaign",))),
        units={"ended": "short", "blocks_failed": "short", "blocks_planned": "short"},
        links={"campaign": {"title": "Show this campaign", "url": _RANGE, "targetBlank": False}},
        sorted_by="Time",
        since=CAMPAIGNS_SINCE,
    )


def _progress() -> Iterator[Json]:
    yield figures(
        "Progress",
        "Blocks that have ended, those that failed, and those that are planned.",
        "short",
        [
            series(select(f'last("blocks_{name}") AS "{name}"', CAMPAIGN_PROGRESS, _CAMPAIGN), "$col")
            for name in ("ended", "failed", "planned")
        ],
        width=12,
        limits={"failed": 1},
    )
    yield figures(
        "Validity",
        "Valid trials, and invalid ones, which are never analysed.",
        "short",
        [series(select(f'sum("{name}") AS "{name}"', TRIAL, _CELLS), "$col trials") for name in ("valid", "invalid")],
        width=12,
        limits={"invalid trials": 1},
    )


def _verdicts() -> Iterator[Json]:
    last = 'last("pairs") AS "pairs", "ratio", "low", "high", "verdict", "sentence"'
    groups = ("workload", "level", "metric", "datapath", "reference")
    yield table(
        "Verdicts",
        "Each datapath compared with the reference, as of the newest block: the ratio and its 95 % interval.",
        rows(select(last, VERDICT, _VERDICTS, groups)),
        units={"pairs": "short"},
        hidden=("Time",),
        links={"sentence": model.link("Campaign page", model.CAMPAIGN_PAGE)},
        width=14,
    )
    yield lines(
        "Ratio to the reference: $metric",
        "The ratio and its 95 % interval after each block, of one comparison alone. "
        "Only verdicts take into account how many comparisons there are.",
        "none",
        [
            series(
                select('"ratio", "low", "high"', VERDICT, (*_VERDICTS, matches_variable("metric")), _BY_CELL),
                f"$col {_CELL}",
            )
        ],
        width=10,
        logarithmic=True,
    )
    yield table(
        "Prices, conditions and attacks",
        "As of the newest block, with 95 % intervals of each alone. A price is in µs per request over the reference. "
        "The cost of a condition is a ratio to the level without it. An attack is the blocked packets/s at which the "
        "goodput has fallen by a tenth.",
        rows(select('last("value") AS "value", "low", "high", "sentence"', COST, _VERDICTS, ("kind", *groups))),
        units={},
        hidden=("Time",),
        links={"sentence": model.link("Campaign page", model.CAMPAIGN_PAGE)},
        width=24,
    )


def _traffic() -> Iterator[Json]:
    yield lines(
        "Requests per second",
        "Completed requests per second of each slice, or of each second of a long slice.",
        "reqps",
        [series(select('"requests_per_s"', TRAFFIC, _CELLS, _BY_CELL), _CELL)],
    )
    yield lines(
        "Latency or service time",
        "Median and 99th percentile of each slice. Open levels: the latency, from the intended send. Closed levels: "
        "the service time, from the actual send, which is not a latency under load.",
        "µs",
        [series(select(f'"{name}_us"', TRAFFIC, _CELLS, _BY_CELL), f"{name} {_CELL}") for name in ("p50", "p99")],
        logarithmic=True,
    )
    yield lines(
        "Errors",
        "Requests that failed, by datapath. More than 0.1 % make a trial invalid.",
        "short",
        [series(over_time('sum("errors") AS "errors"', TRAFFIC, _CELLS, _BY_CELL), _CELL)],
        bars=True,
    )
    yield lines(
        "Invalid trials",
        "Invalid trials over time; the table below has their reasons.",
        "short",
        [series(over_time('sum("invalid") AS "invalid"', TRIAL, _CELLS, _BY_CELL), _CELL)],
        bars=True,
    )


_BY_TRIAL = {
    "Requests per second by trial": ("reqps", ("requests_per_s",), "Each valid trial's requests over its traffic."),
    "CPU-µs per request by trial": (
        "µs",
        ("cpu_us_per_request",),
        "Host-wide busy CPU time minus the idle baseline, per completed request of a valid trial.",
    ),
    "Latency by trial": (
        "µs",
        ("latency_p50_us", "latency_p99_us", "latency_p999_us"),
        "From the intended send, over all slices of a valid trial; open levels only.",
    ),
    "Service time by trial": (
        "µs",
        ("service_time_p50_us", "service_time_p99_us", "service_time_p999_us"),
        "From the actual send, over all slices of a valid trial.",
    ),
    "CPUs busy by trial": ("short", ("cpus_used",), "How full the host was in a trial, on average; invalid ones too."),
    "Requests that waited for a connection, by trial": (
        "percentunit",
        ("queued_share",),
        "Share of the due requests without a free connection of the generator. Above 1 %, reports say so.",
    ),
    "Generator's lag by trial": (
        "µs",
        ("lag_p99_us",),
        "The generator's own lateness at p99, which is part of every latency. Above 10 % of it, reports say so.",
    ),
}
"""Figures of trials by title: unit, fields, description."""


def _trials() -> Iterator[Json]:
    for title, (unit, names, description) in _BY_TRIAL.items():
        fields = ", ".join(map(influxql.field, names))
        legend = _CELL if len(names) == 1 else f"$col {_CELL}"
        yield lines(title, description, unit, [series(select(fields, TRIAL, _CELLS, _BY_CELL), legend)], points=True)
    yield lines(
        "$figure",
        "A figure that the workload declares, of each valid trial, or over its time. Choose it above.",
        "none",
        [series(select('"value"', FIGURE, (*_CELLS, matches_variable("figure")), (*_BY_CELL, "figure", "unit")),
                f"$tag_figure $tag_unit {_CELL}")],
        points=True,
    )  # fmt: skip
    columns = (
        '"trial", "datapath", "workload", "level", "host", "valid", "reasons", "details", "requests", "errors", '
        '"requests_per_s", "cpu_us_per_request", "latency_p99_us", "service_time_p99_us", '
        '"cpus_used", "queued_share", "lag_p99_us", "run"'
    )
    yield table(
        "Newest trials",
        f"The newest {NEWEST_TRIALS} trials; an invalid one has reasons instead of figures. The id links to its page; "
        "trials of earlier versions have the id in the last column.",
        rows(select(columns, TRIAL, _CELLS, limit=NEWEST_TRIALS)),
        units={
            "valid": "bool_yes_no",
            "requests": "short",
            "errors": "short",
            "requests_per_s": "reqps",
            "cpu_us_per_request": "µs",
            "latency_p99_us": "µs",
            "service_time_p99_us": "µs",
            "cpus_used": "short",
            "queued_share": "percentunit",
            "lag_p99_us": "µs",
        },
        links=trial_links(model.TRIAL_PAGE),
        sorted_by="Time",
    )


def _annotations() -> list[Json]:
    events = {
        kind: select('"title", "text"', CAMPAIGN_EVENT, (*_ON_HOSTS, f"\"kind\" = '{kind}'"))
        for kind in ("block", "verdict")
    }
    invalid = select('"reasons", "details"', TRIAL, (*_CELLS, '"invalid" = 1'))
    return [
        model.annotation("Blocks", "purple", events["block"], title="title", text="text"),
        model.annotation("Verdicts", "green", events["verdict"], title="title", text="text"),
        model.annotation("Invalid trials", "red", invalid, title="reasons", text="details"),
    ]
