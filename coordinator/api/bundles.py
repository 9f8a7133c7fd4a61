"""A campaign with its raw trials as one signed file, and the key that signs it."""

import threading
from contextlib import ExitStack
from typing import Literal

from apiflask import APIBlueprint
from flask import Response
from pydantic import BaseModel, Field

from coordinator.access import sharing
from coordinator.api import campaigns
from coordinator.api.codec import error_response
from coordinator.api.media import BUNDLE
from coordinator.api.refusals import Code, CodedConflict, no_campaign
from coordinator.bundle.keys import KeyUnusable, SigningKey, signing_key
from coordinator.bundle.writing import write_bundle
from coordinator.scheduling.lifecycle import CampaignState
from coordinator.services import services
from coordinator.store.campaigns import views
from coordinator.store.capabilities.places import stage_path
from coordinator.store.measured import digests
from coordinator.store.measured.bundle_files import bundle_files
from coordinator.store.rows.models import CampaignRow

blueprint = APIBlueprint("bundles", __name__, tag="Campaigns")
GZIP = "application/gzip"
AT_ONCE = 2  # bundles that are packed; each takes a thread of users, and CPU time
RETRY_S = 10

_room = threading.BoundedSemaphore(AT_ONCE)
_room_of_visitors = threading.BoundedSemaphore(AT_ONCE - 1)  # so that one is left for users


class KeyView(BaseModel):
    """What checks the signatures of this installation's bundles."""

    algorithm: Literal["ed25519"] = "ed25519"
    public_key: str = Field(description="As `showdown verify --key` takes it.")
    pem: str = Field(description="The same key as OpenSSL reads it.")


@blueprint.get("/key")
@blueprint.output(KeyView)
def get_key() -> KeyView | Response:
    """The public key of this installation, which signs bundles."""
    try:
        public = own_key().public
    except KeyUnusable as error:
        return error_response(503, str(error), code=Code.UNAVAILABLE)
    return KeyView(public_key=public.text, pem=public.pem)


@blueprint.get("/campaigns/<campaign_id>/bundle.tar.gz")
@blueprint.doc(responses=BUNDLE)
def get_bundle(campaign_id: str) -> Response:
    """A campaign that has ended: its file, every attempt with its raw trials and histograms, and its report, signed.

    `showdown verify FILE` checks the signature, analyses the trials again, and compares every word and number. While
    two bundles are packed, or one for a visitor of a link, another is refused with status 503. `Retry-After` says when
    to ask again.
    """
    _check_has_ended(campaign_id)
    with ExitStack() as places:
        for room in (_room, _room_of_visitors) if sharing.is_shared() else (_room,):
            if not room.acquire(blocking=False):
                return _busy()
            places.callback(room.release)
        return _packed(campaign_id)


def _busy() -> Response:
    message = f"bundles are being packed for others; ask again in {RETRY_S} seconds"
    refused = error_response(503, message, code=Code.UNAVAILABLE)
    refused.headers["Retry-After"] = str(RETRY_S)
    return refused


def _check_has_ended(campaign_id: str) -> None:
    """Aborts with 404 if there is no such campaign; raises ``CodedConflict`` if it has not ended."""
    with services().store.read() as session:
        row = session.get(CampaignRow, campaign_id) or no_campaign(campaign_id)
        state = row.state
    if not CampaignState(state).ended:
        message = f"campaign {campaign_id} is {state}; a bundle is of one that has ended"
        raise CodedConflict(message, Code.CAMPAIGN_NOT_ENDED)


def _packed(campaign_id: str) -> Response:
    store, settings = services().store, services().settings
    digests.complete(store, campaign_id)
    with store.read() as session:
        record = views.campaign_record(session, campaign_id) or no_campaign(campaign_id)
        path = stage_path(session, record["hosts"])
    report = campaigns.report_of(campaign_id)
    try:
        written = write_bundle(record, bundle_files(store, record, path, report), own_key(), settings.state_dir)
    except KeyUnusable as error:
        return error_response(503, str(error), code=Code.UNAVAILABLE)
    except LookupError:
        no_campaign(campaign_id)
    disposition = {"Content-Disposition": f'attachment; filename="{campaign_id}-bundle.tar.gz"'}
    response = Response(written.pieces, mimetype=GZIP, headers=disposition)
    response.content_length = written.size_bytes
    response.call_on_close(written.close)
    return response


def own_key() -> SigningKey:
    """The key of this installation, which is made at its first use. Raises :class:`KeyUnusable`."""
    return signing_key(services().settings.signing_key_file)
