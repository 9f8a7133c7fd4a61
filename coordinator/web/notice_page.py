"""The page of notices: who gets a message when a campaign ends, and what became of the messages."""

from collections.abc import Sequence

from flask import redirect, render_template, request, url_for
from pydantic import ValidationError
from werkzeug.wrappers import Response

from coordinator.api import notices as api
from coordinator.services import services
from coordinator.web.entry import blueprint
from coordinator.web.receivers import receivers_of
from domain.runs.notice import NewNotice, NoticeChanges, Occasion
from domain.values.problems import InvalidInput, Problem, problems_of


@blueprint.get("/notices")
def notices() -> str:
    """Every notice, and a form for another one."""
    return _page()


@blueprint.post("/notices")
def add_notice() -> Response | tuple[str, int]:
    """Add a notice."""
    try:
        api.add(NewNotice.model_validate(_wanted()))
    except ValidationError as error:
        return _page(problems_of(error)), 422
    except InvalidInput as error:
        return _page(error.problems), 422
    return redirect(url_for("web.notices"), code=303)


@blueprint.post("/notices/<notice_id>/change")
def change_notice(notice_id: str) -> Response | tuple[str, int]:
    """Change which ends a notice reports, and its receivers."""
    api.notice_by_id(notice_id)  # 404 comes before what is wrong with the form
    try:
        api.change(notice_id, NoticeChanges.model_validate(_wanted()))
    except ValidationError as error:
        return _page(problems_of(error), changed=notice_id), 422
    except InvalidInput as error:
        return _page(error.problems, changed=notice_id), 422
    return redirect(url_for("web.notices"), code=303)


def _wanted() -> dict[str, object]:
    """What the form says of a notice; an empty field is none."""
    form = request.form
    chosen = {name: form.get(name, "").strip() or None for name in ("name", "label")}
    return {"occasion": form.get("occasion", ""), **chosen, **receivers_of(form)}


@blueprint.post("/notices/<notice_id>/remove")
def remove_notice(notice_id: str) -> Response:
    """Forget a notice."""
    api.remove(notice_id)
    return redirect(url_for("web.notices"), code=303)


def _page(problems: Sequence[Problem] = (), changed: str = "") -> str:
    """The page; ``changed`` is the notice whose form was sent, so that it shows what was typed."""
    return render_template(
        "web/notices.html",
        found=api.all_notices(),
        occasions=tuple(Occasion),
        allowed=services().settings.notices,
        problems=problems,
        sent={} if changed else request.form,
        edited=request.form,
        changed=changed,
    )
