"""The page of schedules: what starts when, what came of it, and forms for another one and for replicates."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import redirect, render_template, request, url_for
from pydantic import ValidationError
from werkzeug.exceptions import Conflict
from werkzeug.wrappers import Response

from coordinator.api import schedules as api
from coordinator.api.campaigns import get_view
from coordinator.web.entry import blueprint
from coordinator.web.presets import presets
from domain.campaigns.campaign import Campaign, toml_data
from domain.campaigns.toml_text import toml_text
from domain.loads.duration import read_duration
from domain.runs.combination import MOST_RUNS
from domain.runs.schedule import NewSchedule
from domain.values.problems import InvalidInput, Problem, problems_of

_TIMES = ("name", "cron", "time_zone")
_MOST_DIGITS = 6


@blueprint.get("/schedules")
def schedules() -> str:
    """Every schedule; with ``?like=ID``, the forms have that campaign, with ``?preset=NAME`` an installed one."""
    like, preset = request.args.get("like", ""), presets().get(request.args.get("preset", ""))
    if like:
        view = get_view(like)
        text = toml_text(Campaign.model_validate(view["campaign"]))
        return _page({"name": view["name"], "time_zone": "UTC", "toml": text})
    if preset is not None:
        return _page({"name": preset.campaign.name, "time_zone": "UTC", "cron": "30 2 * * *", "toml": preset.toml})
    return _page({"time_zone": "UTC"})


@blueprint.post("/schedules")
def add_schedule() -> Response | tuple[str, int]:
    """Add a schedule."""
    sent = _sent(*_TIMES)
    return _added(sent, {name: sent[name] for name in _TIMES})


@blueprint.post("/replicates")
def add_replicates() -> Response | tuple[str, int]:
    """Run a campaign several times."""
    sent = _sent("name", "times", "every")
    times = sent["times"]
    count = int(times) if times.isascii() and times.isdigit() and len(times) <= _MOST_DIGITS else times
    try:
        every_s = read_duration(sent["every"]) if sent["every"] else 0.0
    except ValueError as error:
        return _page(sent, [Problem(field="every", message=str(error))]), 422
    return _added(sent, {"name": sent["name"], "times": count, "every_s": every_s})


@blueprint.post("/schedules/<schedule_id>/<any(pause,resume,run,remove):action>")
def change_schedule(schedule_id: str, action: str) -> Response | tuple[str, int]:
    """Pause, resume, run or remove a schedule."""
    try:
        if action == "run":
            api.run_now(schedule_id)
        elif action == "remove":
            api.remove(schedule_id)
        else:
            api.set_paused(schedule_id, paused=action == "pause")
    except InvalidInput as error:
        return _page({"time_zone": "UTC"}, error.problems), 422
    except Conflict as error:
        return _page({"time_zone": "UTC"}, [Problem(field="schedule", message=error.description or "")]), 409
    return redirect(url_for("web.schedules"), code=303)


def _sent(*fields: str) -> dict[str, str]:
    return {field: request.form.get(field, "").strip() for field in (*fields, "toml")}


def _added(sent: dict[str, str], wanted: Mapping[str, Any]) -> Response | tuple[str, int]:
    try:
        campaign = toml_data(sent["toml"].replace("\r\n", "\n"))
        api.add(NewSchedule.model_validate({**wanted, "campaign": campaign}))
    except ValidationError as error:
        return _page(sent, problems_of(error)), 422
    except InvalidInput as error:
        return _page(sent, error.problems), 422
    return redirect(url_for("web.schedules"), code=303)


def _page(sent: dict[str, str], problems: Sequence[Problem] = ()) -> str:
    found = api.all_schedules()
    return render_template("web/schedules.html", schedules=found, sent=sent, problems=problems, most_runs=MOST_RUNS)
