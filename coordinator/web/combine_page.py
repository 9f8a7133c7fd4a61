"""The page that combines runs of one configuration."""

from flask import render_template, request
from pydantic import ValidationError

from coordinator.api import combinations as api
from coordinator.api.combinations import CombinationQuery
from coordinator.web.entry import blueprint
from domain.runs.combination import LEAST_RUNS
from domain.runs.comparison import COLUMNS
from domain.values.problems import InvalidInput, problems_of

_FIELDS = ("runs", "series", "schedule", "mixed")


@blueprint.get("/combine")
def combine() -> str | tuple[str, int]:
    """Runs together: named by id, or those of a series or schedule."""
    sent = {name: text for name in _FIELDS if (text := ",".join(request.args.getlist(name)).strip())}
    if not sent.keys() - {"mixed"}:
        return _page(sent)
    try:
        return _page(sent, found=api.combination_of(CombinationQuery.model_validate(sent)))
    except ValidationError as error:
        return _page(sent, problems=problems_of(error)), 422
    except InvalidInput as error:
        return _page(sent, problems=error.problems), 422


def _page(sent: dict[str, str], **more: object) -> str:
    return render_template("web/combine.html", sent=sent, columns=COLUMNS, least=LEAST_RUNS, **more)
