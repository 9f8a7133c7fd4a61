"""A request that fails for what one campaign or host holds is answered with the reason, and that thing is set aside.

It is no error of the server: every other request works. An outage of the database is answered 503.
"""

import re
from typing import Any

from flask import Flask, request
from werkzeug.exceptions import HTTPException

from coordinator.api.refusals import Code, CodedConflict
from coordinator.services import services
from coordinator.store.rows.quarantine import Kind, is_outage, set_aside

_CAMPAIGN_ID = re.compile(r"[a-z2-7]{8}")
_HOST = re.compile(r"[a-z0-9.-]{1,253}")
_READS = ("GET", "HEAD")


def install(app: Flask) -> None:
    """Answer such requests of ``app`` with 409."""

    @app.errorhandler(Exception)
    def _contain(error: Exception) -> Any:
        subject = _subject()
        if subject is None or is_outage(error) or isinstance(error, HTTPException):
            raise error
        kind, name = subject
        reason = set_aside(
            services().store, kind, name, f"{request.method} {request.endpoint}", error, services().clock()
        )
        what = "campaign" if kind in (Kind.CAMPAIGN, Kind.VIEW) else f"{kind} of"
        return app.handle_user_exception(CodedConflict(f"the {what} {name} is set aside: {reason}", Code.SET_ASIDE))


def _subject() -> tuple[Kind, str] | None:
    """What this request is about; ``None`` if it is about no campaign or host alone."""
    named = request.view_args or {}
    found = next((str(named[key]) for key in ("campaign_id", "block_id", "trial_id") if key in named), None)
    if found is None and request.endpoint == "web.new_campaign":
        found = request.args.get("like")
    if found is not None:
        campaign_id = found.partition("-")[0]
        # The answer to a cancellation is the campaign's view; by then it is cancelled.
        is_view = request.method in _READS or str(request.endpoint).endswith(".cancel")
        kind = Kind.VIEW if is_view else Kind.CAMPAIGN
        return (kind, campaign_id) if _CAMPAIGN_ID.fullmatch(campaign_id) else None
    host = str(named.get("host", ""))
    return (Kind.MATRIX, host) if request.method in _READS and _HOST.fullmatch(host) else None
