"""The page of notices: who gets a message when a campaign ends, and what became of the messages."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import redirect, render_template, request, url_for
from pydantic import ValidationError
from werkzeug.wrappers import Response

from coordinator.api import notices as api
from coordinator.services import services
from coordinator.web.entry import blueprint
from domain.runs.notice import NewNotice, Notice, NoticeChanges, Occasion
from domain.runs.rule import Rule
from domain.values.problems import InvalidInput, Problem, problems_of


@blueprint.get("/notices")
def notices() -> str:
    """Every notice, and a form for another one."""
    return _page()


@blueprint.post("/notices")
def add_notice() -> Response | tuple[str, int]:
    """Add a notice."""
    try:
        api.add(NewNotice.model_validate(_wanted(request.form)))
    except ValidationError as error:
        return _page(problems_of(error)), 422
    except InvalidInput as error:
        return _page(error.problems), 422
    return redirect(url_for("web.notices"), code=303)


@blueprint.post("/notices/<notice_id>/change")
def change_notice(notice_id: str) -> Response | tuple[str, int]:
    """Change a notice: all of its fields are in the form."""
    try:
        api.change(notice_id, NoticeChanges.model_validate(_wanted(request.form)))
    except ValidationError as error:
        return _page(problems_of(error), notice_id), 422
    except InvalidInput as error:
        return _page(error.problems, notice_id), 422
    return redirect(url_for("web.notices", _anchor=f"change-{notice_id}"), code=303)


@blueprint.post("/notices/<notice_id>/remove")
def remove_notice(notice_id: str) -> Response:
    """Forget a notice."""
    api.remove(notice_id)
    return redirect(url_for("web.notices"), code=303)


def receivers_of(form: Mapping[str, str]) -> dict[str, Any]:
    """Where messages go, as it was typed; an empty webhook is none."""
    email = form.get("email", "").replace(",", " ").split()
    return {"webhook": form.get("webhook", "").strip() or None, "email": email}


def typed_receivers(one: Notice | Rule) -> dict[str, str]:
    """The way back: the texts of the fields."""
    return {"webhook": one.webhook or "", "email": ", ".join(one.email)}


def _wanted(form: Mapping[str, str]) -> dict[str, Any]:
    chosen = {name: form.get(name, "").strip() or None for name in ("name", "label")}
    return {"occasion": form.get("occasion", ""), **chosen, **receivers_of(form)}


def _form_of(one: Notice) -> dict[str, str]:
    chosen = {"occasion": one.occasion.value, "name": one.name or "", "label": one.label or ""}
    return chosen | typed_receivers(one)


def _page(problems: Sequence[Problem] = (), changed: str = "") -> str:
    return render_template(
        "web/notices.html",
        found=api.all_notices(),
        occasions=tuple(Occasion),
        allowed=services().settings.notices,
        problems=problems,
        sent=request.form,
        changed=changed,
        form_of=_form_of,
    )
