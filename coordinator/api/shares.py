"""Read-only links to one campaign: create, list and revoke them. Only the answer to a creation shows a link.

The secret is in the part of the address after ``#``, which browsers never send. So no log of a server or proxy has it.
"""

import base64
import hmac
import secrets
from collections.abc import Mapping
from typing import Any

from apiflask import APIBlueprint
from flask import Response, request, url_for
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound

from coordinator.access import audit
from coordinator.access.principal import required
from coordinator.api.once import key_of_request, once
from coordinator.api.refusals import no_campaign
from coordinator.services import services
from coordinator.store.campaigns import views
from coordinator.store.lifecycle import transitions
from coordinator.store.people import shares as store
from coordinator.store.rows.times import iso
from domain.hosts.host_tokens import RANDOM_BYTES, hash_of, token_of
from domain.service.scopes import SHARE_PREFIX, NewShare

blueprint = APIBlueprint("shares", __name__, tag="Links")


class ShareView(BaseModel):
    """A read-only link, without its secret."""

    id: str
    created_at: str
    created_by: str = Field(description="The token or person that created it.")
    expires_at: str | None
    revoked_at: str | None
    uses: int = Field(description="How often it was opened; a program's requests within five minutes count once.")
    used_at: str | None
    valid: bool


class ShareList(BaseModel):
    """The links to a campaign, the newest first."""

    shares: list[ShareView]


class CreatedShare(ShareView):
    """A new link. No later request shows its address and secret again."""

    url: str = Field(description="For people: it opens the campaign's pages, without a way to change anything.")
    secret: str = Field(description="For programs: send it as `Authorization: Bearer SECRET`.")


@blueprint.get("/campaigns/<campaign_id>/shares")
@blueprint.output(ShareList)
@blueprint.doc(responses=[404])
def list_shares(campaign_id: str) -> Mapping[str, Any]:
    """The links to a campaign: who shared it, until when, and how often each was used. Needs the scope submit."""
    return {"shares": share_list(campaign_id)}


@blueprint.post("/campaigns/<campaign_id>/shares")
@blueprint.input(NewShare, arg_name="wanted")
@blueprint.output(CreatedShare, status_code=201)
@blueprint.doc(responses=[404])
def create_share(campaign_id: str, wanted: NewShare) -> Response:
    """Create a read-only link to a campaign, which only this answer shows. Needs the scope submit."""
    new = _Link(key_of_request())

    def shown(view: dict[str, Any]) -> dict[str, Any]:
        return new.shown(ShareView(**view)).model_dump(mode="json")

    return once(lambda session: _create(session, campaign_id, wanted, new), complete=shown)


@blueprint.delete("/campaigns/<campaign_id>/shares/<share_id>")
@blueprint.doc(responses={204: "Revoked, now or earlier", 404: "There is no such campaign or link"})
def revoke_share(campaign_id: str, share_id: str) -> tuple[str, int]:
    """Make a link void; its pages close at once. Needs the scope submit."""
    revoke(campaign_id, share_id)
    return "", 204


def share_list(campaign_id: str) -> list[ShareView]:
    """The links to a campaign, the newest first. Aborts with 404."""
    known = services()
    now = known.clock()
    with known.store.read() as session:
        if not views.is_known(session, campaign_id):
            no_campaign(campaign_id)
        return [ShareView(**_facts(row, now)) for row in store.shares_of(session, campaign_id)]


def create(campaign_id: str, wanted: NewShare) -> CreatedShare:
    """Create a link. Aborts with 404; raises ``InvalidInput`` if there are too many."""
    new = _Link(key=None)
    with services().store.write() as session:
        view = _create(session, campaign_id, wanted, new)
    return new.shown(view)


def revoke(campaign_id: str, share_id: str) -> None:
    """Make a link void. Raises ``NotFound``."""
    known = services()
    with known.store.write() as session:
        if not store.revoke(session, campaign_id, share_id, known.clock()):
            raise NotFound(f"campaign {campaign_id[:40]!r} has no link {share_id[:40]!r}")
    audit.about("campaign", f"{campaign_id} link {share_id}")


class _Link:
    """The secret of a new link, which is stored nowhere.

    With a key of the request, the secret follows from the link's id, the key, and a key that only the server has. So a
    repeated request gets the same one.
    """

    def __init__(self, key: str | None) -> None:
        self._key, self._random = key, secrets.token_bytes(RANDOM_BYTES)

    def secret_of(self, share_id: str) -> str:
        if self._key is None:
            return token_of(self._random, SHARE_PREFIX)
        text = f"share {share_id} {self._key}"
        made = hmac.digest(services().settings.secret_key.encode(), text.encode(), "sha256")
        return token_of(made, SHARE_PREFIX)

    def shown(self, view: ShareView) -> CreatedShare:
        root, secret = services().settings.web_url or request.host_url.rstrip("/"), self.secret_of(view.id)
        return CreatedShare(**view.model_dump(), url=f"{root}{url_for('web.shared')}#{secret}", secret=secret)


def _create(session: Session, campaign_id: str, wanted: NewShare, new: _Link) -> ShareView:
    now, by = services().clock(), required().text
    share_id = base64.b32encode(secrets.token_bytes(5)).decode().lower()
    if transitions.lock_campaign(session, campaign_id) is None:
        no_campaign(campaign_id)
    secret_hash = hash_of(new.secret_of(share_id))
    row = store.create(session, campaign_id, share_id, secret_hash, days=wanted.days, by=by, now=now)
    audit.about("campaign", f"{campaign_id} link {share_id}")
    return ShareView(**_facts(row, now))


def _facts(row: store.ShareRow, now: float) -> dict[str, Any]:
    return {
        "id": row.id,
        "created_at": iso(row.created_at) or "",
        "created_by": row.created_by,
        "expires_at": iso(row.expires_at),
        "revoked_at": iso(row.revoked_at),
        "uses": row.uses,
        "used_at": iso(row.used_at),
        "valid": row.is_valid(now),
    }
