"""The submission of campaigns over REST, once per Idempotency-Key."""

import re

from apiflask import APIBlueprint
from flask import Response, current_app, request
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from coordinator import ticker
from coordinator.access import audit
from coordinator.access.principal import author
from coordinator.api.campaigns import campaign_of_request, submit_and_read
from coordinator.api.codec import error_response
from coordinator.api.refusals import Code
from coordinator.services import services
from coordinator.store import idempotency, submission, views
from domain.campaign import Campaign
from domain.problems import InvalidInput, Problem

blueprint = APIBlueprint("submit", __name__, tag="Campaigns")

KEY_HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
_KEY = re.compile(rf"[\x20-\x7e]{{1,{idempotency.MAX_KEY}}}")


@blueprint.post("/campaigns")
@blueprint.output(views.CampaignView, status_code=201)
@blueprint.doc(responses={422: "The campaign was refused, or its Idempotency-Key was sent with another body"})
def submit() -> Response:
    """Submit a campaign, as JSON or (Content-Type: application/toml) as TOML.

    With a header `Idempotency-Key`, a repeated request within 24 hours submits nothing again: its answer is the first
    one, with `Idempotency-Replayed: true`.
    """
    campaign, key = campaign_of_request(), request.headers.get(KEY_HEADER)
    if key is None:
        return _created(*submit_and_read(campaign, lambda session, made: (made, _answer(session, made))))
    if not _KEY.fullmatch(key):
        message = f"must have 1 to {idempotency.MAX_KEY} printable ASCII characters"
        raise InvalidInput([Problem(field=KEY_HEADER, message=message)])
    try:
        return _submit_once(campaign, key)
    except IntegrityError:  # another request with this key was faster: its answer is kept now
        return _submit_once(campaign, key)


def _submit_once(campaign: Campaign, key: str) -> Response:
    known, body = services(), request.mimetype.encode() + b"\n" + request.get_data()
    with known.store.write() as session:
        now = known.clock()
        if (kept := idempotency.kept_answer(session, key, body, now)) is None:
            row = submission.submit(session, campaign, now, author())
            campaign_id, hosts = row.id, row.hosts
            session.flush()
            answer = _answer(session, campaign_id)
            idempotency.keep_answer(session, key, body, campaign_id, answer, now)
    if kept is None:
        audit.about("campaign", campaign_id)
        ticker.dispatch_waiting(known.store, known.dispatcher, known.clock(), hosts)
        return _created(campaign_id, answer)
    if not kept.same:
        message = f"the {KEY_HEADER} was sent before with another body; the first one made campaign {kept.campaign_id}"
        return error_response(422, message, code=Code.KEY_REUSED)
    response = _created(kept.campaign_id, kept.answer)
    response.headers[REPLAYED_HEADER] = "true"
    return response


def _answer(session: Session, campaign_id: str) -> str:
    return current_app.json.dumps(views.campaign_view(session, campaign_id, services().clock()) or {}) + "\n"


def _created(campaign_id: str, answer: str) -> Response:
    response = Response(answer, 201, mimetype="application/json")
    response.headers["Location"] = f"{request.path}/{campaign_id}"
    return response
