"""Named tokens of users: create, list and revoke them. Only the answer to a creation shows a token."""

import secrets
from collections.abc import Mapping
from typing import Any

from apiflask import APIBlueprint
from flask import Response
from pydantic import BaseModel, Field
from werkzeug.exceptions import NotFound

from coordinator.access import audit
from coordinator.access.principal import Kind, required
from coordinator.api.codec import error_response
from coordinator.api.refusals import Code
from coordinator.services import services
from coordinator.store.people import user_tokens as store
from coordinator.store.rows.times import iso
from domain.hosts.host_tokens import RANDOM_BYTES, hash_of, token_of
from domain.service.scopes import USER_PREFIX, NewToken, Scope

blueprint = APIBlueprint("tokens", __name__, tag="Tokens")


class TokenView(BaseModel):
    """A named token, without the token."""

    name: str
    scope: Scope
    created_at: str
    created_by: str = Field(description="The token or person that created it.")
    expires_at: str | None
    revoked_at: str | None
    used_at: str | None = Field(description="When it was used last, within five minutes; null if never.")
    valid: bool


class TokenList(BaseModel):
    """Every token, by name."""

    tokens: list[TokenView]


class CreatedToken(TokenView):
    """A new token. No later request shows it again."""

    token: str


class Me(BaseModel):
    """Who sends the request."""

    kind: Kind = Field(description="owner (SHOWDOWN_TOKEN), token, person (signed in by OIDC), or share (a link).")
    name: str
    scope: Scope


@blueprint.errorhandler(store.TokenExists)
def _exists(error: store.TokenExists) -> Response:
    return error_response(409, f"{error} (replace = true)", code=Code.NAME_TAKEN)


@blueprint.get("/me")
@blueprint.output(Me)
def get_me() -> Me:
    """Who the token or session belongs to, and what it may do."""
    who = required()
    return Me(kind=who.kind, name=who.name, scope=who.scope)


@blueprint.get("/tokens")
@blueprint.output(TokenList)
def list_tokens() -> Mapping[str, Any]:
    """Every token, by name: scope, who created it, and when it was used last. Needs the scope admin."""
    return {"tokens": token_list()}


@blueprint.post("/tokens")
@blueprint.input(NewToken, arg_name="wanted")
@blueprint.output(CreatedToken, status_code=201)
@blueprint.doc(responses={409: "A token has this name, and replace is false"})
def create_token(wanted: NewToken) -> CreatedToken:
    """Create a token, which only this answer shows. Needs the scope admin."""
    return create(wanted)


@blueprint.delete("/tokens/<name>")
@blueprint.doc(responses={204: "Revoked, now or earlier", 404: "There is no such token"})
def revoke_token(name: str) -> tuple[str, int]:
    """Make a token void, and end the sessions that it began. Needs the scope admin."""
    revoke(name)
    return "", 204


def token_list() -> list[TokenView]:
    """Every token, by name."""
    known = services()
    now = known.clock()
    with known.store.read() as session:
        return [TokenView(**_facts(row, now)) for row in store.tokens(session)]


def create(wanted: NewToken) -> CreatedToken:
    """Create a token. Raises ``TokenExists`` or ``InvalidInput``."""
    known, token = services(), token_of(secrets.token_bytes(RANDOM_BYTES), USER_PREFIX)
    now = known.clock()
    with known.store.write() as session:
        row = store.create(session, wanted, hash_of(token), required().text, now)
        session.flush()
    audit.about("token", f"{wanted.name} ({wanted.scope})")
    return CreatedToken(**_facts(row, now), token=token)


def revoke(name: str) -> None:
    """Make a token void. Raises ``NotFound``."""
    known = services()
    with known.store.write() as session:
        if not store.revoke(session, name, known.clock()):
            raise NotFound(f"there is no token {name[:63]!r}")


def _facts(row: store.UserTokenRow, now: float) -> dict[str, Any]:
    return {
        "name": row.name,
        "scope": Scope(row.scope),
        "created_at": iso(row.created_at) or "",
        "created_by": row.created_by,
        "expires_at": iso(row.expires_at),
        "revoked_at": iso(row.revoked_at),
        "used_at": iso(row.used_at),
        "valid": not row.refusal(now),
    }
