"""The pages of who may do what, and of who did what: named tokens, and the audit log."""

from typing import Any

from flask import abort, redirect, render_template, request, url_for
from pydantic import ValidationError
from werkzeug.wrappers import Response

from coordinator.api import audit_log
from coordinator.api import tokens as api
from coordinator.store.people.user_tokens import TokenExists
from coordinator.web.entry import blueprint
from domain.service.scopes import NewToken, Scope
from domain.values.problems import InvalidInput, Problem, problems_of

_SHOWN = 100  # entries of the audit log on a page


@blueprint.get("/tokens")
def tokens() -> str:
    """Every named token, and a form for a new one."""
    return _page()


@blueprint.post("/tokens")
def create_token() -> tuple[str, int]:
    """Create a token. The answer is the only page that shows it, so it is not behind a redirect."""
    sent = {name: request.form[name].strip() for name in ("name", "scope", "days") if request.form.get(name)}
    try:
        wanted = NewToken.model_validate({**sent, "replace": bool(request.form.get("replace"))})
        return _page(created=api.create(wanted)), 201
    except ValidationError as error:
        return _page(problems=problems_of(error)), 422
    except InvalidInput as error:
        return _page(problems=error.problems), 422
    except TokenExists as error:
        return _page(problems=(Problem(field="name", message=f"{error} (check “replace”)"),)), 409


@blueprint.post("/tokens/<name>/revoke")
def revoke_token(name: str) -> Response:
    """Make a token void."""
    api.revoke(name)
    return redirect(url_for("web.tokens"), code=303)


@blueprint.get("/audit")
def audit_log_page() -> str:
    """Who changed what, the newest first."""
    given = {name: value for name, value in request.args.items() if value and name in audit_log.AuditQuery.model_fields}
    try:
        query = audit_log.AuditQuery.model_validate(given | {"limit": _SHOWN})
    except ValidationError as error:
        abort(404, str(problems_of(error)[0]))
    page = audit_log.audit_page(query)
    filters: dict[str, Any] = query.model_dump(exclude_defaults=True, exclude={"limit", "cursor"})
    older = url_for("web.audit_log_page", **filters, cursor=page.next) if page.next else ""
    newest = url_for("web.audit_log_page", **filters) if query.cursor else ""
    return render_template("web/audit.html", entries=page.entries, query=query, older=older, newest=newest)


def _page(created: api.CreatedToken | None = None, problems: tuple[Problem, ...] = ()) -> str:
    by_field: dict[str, list[str]] = {}
    for problem in problems:
        by_field.setdefault(problem.field, []).append(problem.message)
    sent = request.form if problems else {}
    return render_template(
        "web/tokens.html", found=api.token_list(), created=created, problems=by_field, sent=sent, scopes=Scope
    )
