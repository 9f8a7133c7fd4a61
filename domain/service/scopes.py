"""What a token, a person or a link may do: scopes, and the form of the secrets that carry them. Pure."""

from enum import StrEnum

from pydantic import Field

from domain.values.frozen import Frozen
from domain.values.names import TokenName

USER_PREFIX = "sdu_"
"""Named tokens begin with it, so that people and scanners recognise them."""

SHARE_PREFIX = "sds_"
"""Secrets of read-only links to a campaign begin with it."""

MOST_DAYS = 3650


class Scope(StrEnum):
    """Each scope includes those before it."""

    READ = "read"
    SUBMIT = "submit"
    ADMIN = "admin"

    def includes(self, needed: "Scope") -> bool:
        """True if this scope suffices for what needs ``needed``."""
        order = list(Scope)
        return order.index(self) >= order.index(needed)

    @property
    def meaning(self) -> str:
        """What it allows, for people."""
        return {
            Scope.READ: "see campaigns, reports, hosts and metrics",
            Scope.SUBMIT: "also submit, cancel, label and share campaigns",
            Scope.ADMIN: "also delete campaigns, and manage hosts, tokens and the quarantine",
        }[self]


class NewToken(Frozen):
    """A token to create."""

    name: TokenName = Field(description="Who or what uses it; the audit log shows it.")
    scope: Scope = Field(default=Scope.READ, description="read, submit or admin; each includes those before it.")
    days: int | None = Field(default=None, ge=1, le=MOST_DAYS, description="It expires after so many days.")
    replace: bool = Field(default=False, description="True makes an earlier token of this name void.")


class NewShare(Frozen):
    """A read-only link to create."""

    days: int | None = Field(default=None, ge=1, le=MOST_DAYS, description="It expires after so many days.")
