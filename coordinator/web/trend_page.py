"""The pages of series: their list, and one series with its trends, changes and rules."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import abort, redirect, render_template, request, url_for
from pydantic import ValidationError
from werkzeug.wrappers import Response

from coordinator.api import rules as rules_api
from coordinator.api import series as api
from coordinator.api.comparison_sides import BETWEEN_SIDES
from coordinator.api.series import SeriesQuery
from coordinator.services import services
from coordinator.web.entry import blueprint
from coordinator.web.receivers import receivers_of
from coordinator.web.trend_chart import Group, groups_of, trend_chart
from domain.runs.comparison import COLUMNS
from domain.runs.rule import Direction, NewRule, RuleChanges
from domain.runs.trend import Trend, TrendReport, periods_of
from domain.values.problems import InvalidInput, Problem, problems_of

LISTED = 200
_SOUGHT = ("q", "host", "label")
_BETWEEN = "|"  # parts of a choice; no name has it


@dataclass(frozen=True)
class Choice:
    """One chart that can be chosen."""

    value: str
    text: str
    changes: int
    chosen: bool


@blueprint.get("/trends")
def trends() -> str:
    """Every series, or those that match the search."""
    given = {name: text for name in _SOUGHT if (text := request.args.get(name, "").strip())}
    try:
        query = SeriesQuery.model_validate(given | {"limit": LISTED})
    except ValidationError as error:
        abort(404, str(problems_of(error)[0]))
    found = api.series_page(query).series
    return render_template("web/trends.html", found=found, listed=LISTED, query=query, is_search=bool(given))


@blueprint.get("/trends/<series_id>")
def trend(series_id: str) -> str:
    """One series: a chart, its changes, the rules that watch it."""
    return _page(series_id)


@blueprint.post("/trends/<series_id>/rules")
def add_rule(series_id: str) -> Response | tuple[str, int]:
    """Watch a trend."""
    names = ("workload", "level", "datapath", "reference", "metric")
    watched = dict(zip(names, request.form.get("watched", "").split(_BETWEEN), strict=False))
    wanted = {**watched, "series": series_id, "reference": watched.get("reference") or None, **_reported()}
    try:
        rules_api.add(NewRule.model_validate(wanted))
    except ValidationError as error:
        return _page(series_id, problems_of(error)), 422
    except InvalidInput as error:
        return _page(series_id, error.problems), 422
    return redirect(url_for("web.trend", series_id=series_id, _anchor="rules"), code=303)


@blueprint.post("/rules/<rule_id>/change")
def change_rule(rule_id: str) -> Response | tuple[str, int]:
    """Change which regressions a rule reports, and its receivers."""
    series_id = rules_api.rule_by_id(rule_id).series
    try:
        rules_api.change(rule_id, RuleChanges.model_validate(_reported()))
    except ValidationError as error:
        return _page(series_id, problems_of(error), changed=rule_id), 422
    except InvalidInput as error:
        return _page(series_id, error.problems, changed=rule_id), 422
    return redirect(url_for("web.trend", series_id=series_id, _anchor="rules"), code=303)


def _reported() -> dict[str, object]:
    """What the form says of a rule beside the figure that it watches."""
    form = request.form
    return {
        "percent": form.get("percent", ""), "direction": form.get("direction", ""), **receivers_of(form),
    }  # fmt: skip


@blueprint.post("/rules/<rule_id>/remove")
def remove_rule(rule_id: str) -> Response:
    """Stop to watch a trend."""
    return redirect(url_for("web.trend", series_id=rules_api.remove(rule_id).series, _anchor="rules"), code=303)


def _page(series_id: str, problems: Sequence[Problem] = (), changed: str = "") -> str:
    """The page; ``changed`` is the rule whose form was sent, so that it shows what was typed."""
    report = api.trend_report(series_id)
    groups = groups_of(report)
    chosen = _chosen(groups)
    found, part, periods = groups[chosen], _part(report), periods_of(report.campaigns)
    return render_template(
        "web/trend.html",
        report=report,
        chart=trend_chart(report, found, _title(chosen, found), part),
        part=part,
        shown=found,
        choices=[_choice(group, found, is_chosen=group == chosen) for group, found in groups.items()],
        changes=_changes(report),
        periods=periods,
        later=BETWEEN_SIDES.join(",".join(ids) for ids in periods[1:]),
        watchable=[(_watched(one), _words(one)) for one in report.trends],
        rules=rules_api.all_rules(series_id),
        directions=list(Direction),
        columns=COLUMNS,
        problems=problems,
        sent={} if changed else request.form,
        edited=request.form,
        changed=changed,
        notices=services().settings.notices,
    )


def _chosen(groups: dict[Group, list[Trend]]) -> Group:
    """The chart that is asked for; else the first with a change."""
    wanted = request.args.get("show", "")
    asked = next((group for group in groups if _value(group) == wanted), None)
    with_change = next((group for group, found in groups.items() if any(one.changes for one in found)), None)
    return asked or with_change or next(iter(groups))


def _part(report: TrendReport) -> range:
    """The places of the campaigns that the chart shows: all, or those from one campaign to another."""
    places = {one.id: index for index, one in enumerate(report.campaigns)}
    first = places.get(request.args.get("from", ""), 0)
    last = places.get(request.args.get("until", ""), len(places) - 1)
    return range(min(first, last), max(first, last) + 1)


def _value(group: Group) -> str:
    workload, level, metric, is_ratio = group
    return _BETWEEN.join((workload, level, metric.value, "ratio" if is_ratio else "figure"))


def _choice(group: Group, found: Sequence[Trend], *, is_chosen: bool) -> Choice:
    return Choice(_value(group), _title(group, found), sum(len(one.changes) for one in found), is_chosen)


def _title(group: Group, found: Sequence[Trend]) -> str:
    workload, level, metric, is_ratio = group
    relative = f" ÷ {found[0].reference}" if is_ratio else ""
    return f"{COLUMNS[metric]}{relative} at {level} ({found[0].load}) of {workload.replace('_', ' ')}"


def _changes(report: TrendReport) -> list[tuple[Trend, int]]:
    """Every change as its trend and place, the newest first."""
    found = [(one, index) for one in report.trends for index in range(len(one.changes))]
    return sorted(found, key=lambda pair: pair[0].changes[pair[1]].at, reverse=True)


def _watched(one: Trend) -> str:
    return _BETWEEN.join((one.workload, one.level, one.datapath, one.reference or "", one.metric.value))


def _words(one: Trend) -> str:
    relative = f" ÷ {one.reference}" if one.reference else ""
    return f"{one.datapath}{relative}: {COLUMNS[one.metric]} at {one.level} of {one.workload.replace('_', ' ')}"
