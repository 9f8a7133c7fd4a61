"""The page of notices: who gets a message when a campaign ends, and what became of the messages."""

from collections.abc import Sequence

from flask import redirect, render_template, request, url_for
from pydantic import ValidationError
from werkzeug.wrappers import Response

from coordinator.api import notices as api
from coordinator.services import services
from coordinator.web.entry import blueprint
from domain.runs.notice import NewNotice, Occasion
from domain.values.problems import InvalidInput, Problem, problems_of


@blueprint.get("/notices")
def notices() -> str:
    """Every notice, and a form for another one."""
    return _page()


@blueprint.post("/notices")
def add_notice() -> Response | tuple[str, int]:
    """Add a notice."""
    form = request.form
    wanted = {
        "occasion": form.get("occasion", ""),
        **{name: form.get(name, "").strip() or None for name in ("name", "label", "webhook")},
        "email": form.get("email", "").replace(",", " ").split(),
    }
    try:
        api.add(NewNotice.model_validate(wanted))
    except ValidationError as error:
        return _page(problems_of(error)), 422
    except InvalidInput as error:
        return _page(error.problems), 422
    return redirect(url_for("web.notices"), code=303)


@blueprint.post("/notices/<notice_id>/remove")
def remove_notice(notice_id: str) -> Response:
    """Forget a notice."""
    api.remove(notice_id)
    return redirect(url_for("web.notices"), code=303)


def _page(problems: Sequence[Problem] = ()) -> str:
    return render_template(
        "web/notices.html",
        found=api.all_notices(),
        occasions=tuple(Occasion),
        allowed=services().settings.notices,
        problems=problems,
        sent=request.form,
    )
