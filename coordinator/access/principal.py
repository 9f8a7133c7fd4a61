"""Who sends a request, and what they may do."""

from dataclasses import dataclass
from enum import StrEnum

from flask import g

from domain.service.scopes import Scope


class Kind(StrEnum):
    """How a principal has shown who it is."""

    OWNER = "owner"  # the users' token, SHOWDOWN_TOKEN
    TOKEN = "token"  # a named token  # noqa: S105
    PERSON = "person"  # who signed in at the provider of OIDC
    SHARE = "share"  # a read-only link to one campaign


@dataclass(frozen=True)
class Principal:
    """``campaign_id``: the only campaign that a link shows."""

    kind: Kind
    name: str
    scope: Scope
    campaign_id: str = ""

    @property
    def text(self) -> str:
        """For people: "owner", "token ci", "anna@example.org"."""
        if self.kind is Kind.PERSON:
            return self.name
        return self.kind.value if self.kind is Kind.OWNER else f"{self.kind} {self.name}"


OWNER = Principal(Kind.OWNER, "owner", Scope.ADMIN)


def present() -> Principal | None:
    """Who sends this request; ``None`` if that is unknown, or the route is open to everyone."""
    found: Principal | None = g.get("principal")
    return found


def author() -> str:
    """Who sends this request, for people; empty if that is unknown."""
    found = present()
    return found.text if found is not None else ""


def required() -> Principal:
    """Who sends this request, in a route that is not open to everyone."""
    found: Principal = g.principal
    return found
