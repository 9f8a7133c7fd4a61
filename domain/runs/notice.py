"""Notices: who gets a message when a campaign ends, of which campaigns, and of which ends."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints, ValidationInfo, field_validator

from domain.runs.keeping import sought_label
from domain.runs.rule import MAX_EMAILS, Delivery, WebhookUrl
from domain.values.bounds import NO_NUL
from domain.values.frozen import Frozen
from domain.values.names import CampaignName, EmailAddress

MAX_NOTICES = 100
_MAX_LABEL = 127  # key, '=' and value


class Occasion(StrEnum):
    """Which ends are reported."""

    ENDED = "ended"
    FAILED = "failed"

    @property
    def words(self) -> str:
        """What happens to a campaign then."""
        return "ends" if self is Occasion.ENDED else "fails, measures nothing, or does not meet an expectation"


class NewNotice(Frozen):
    """A notice as its user writes it."""

    occasion: Occasion = Field(
        default=Occasion.ENDED,
        description="`ended`: every end. `failed`: the campaign failed, measured nothing, or an expectation failed.",
    )
    name: CampaignName | None = Field(default=None, description="Only campaigns of this name; null: of any.")
    label: Annotated[str, StringConstraints(strip_whitespace=True, max_length=_MAX_LABEL, pattern=NO_NUL)] | None = (
        Field(default=None, description="Only campaigns with this label, `key` or `key=value`; null: any.")
    )
    webhook: WebhookUrl | None = Field(default=None, description="Where the message is posted to.")
    email: tuple[EmailAddress, ...] = Field(
        default=(), max_length=MAX_EMAILS, validate_default=True, description="Who gets a mail."
    )

    @field_validator("label")
    @classmethod
    def _is_a_label(cls, value: str | None) -> str | None:
        """``key`` or ``key=value``, as campaigns have them; an empty one is none."""
        return sought_label(value) if value else None

    @field_validator("email")
    @classmethod
    def _has_a_receiver(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if not value and not info.data.get("webhook", "wrong, and so its own problem"):
            raise ValueError("has no address, and there is no webhook: give one of them")
        return value

    @property
    def campaigns(self) -> str:
        """Of which campaigns, in words: ``any campaign``, ``a campaign named nightly with the label team=edge``."""
        named = f"a campaign named {self.name}" if self.name else "any campaign"
        return f"{named} with the label {self.label}" if self.label else named

    @property
    def words(self) -> str:
        """When a message is sent: ``any campaign ends``."""
        return f"{self.campaigns} {self.occasion.words}"


class NoticeChanges(Frozen):
    """What to change of a notice; an absent field stays as it is."""

    occasion: Occasion | None = Field(default=None, description="Which ends are reported: `ended` or `failed`.")
    name: CampaignName | None = Field(default=None, description="Only campaigns of this name; null: of any.")
    label: Annotated[str, StringConstraints(strip_whitespace=True, max_length=_MAX_LABEL, pattern=NO_NUL)] | None = (
        Field(default=None, description="Only campaigns with this label, `key` or `key=value`; null: any.")
    )
    webhook: WebhookUrl | None = Field(default=None, description="Where the message is posted to; null: nowhere.")
    email: tuple[EmailAddress, ...] | None = Field(
        default=None, max_length=MAX_EMAILS, description="Who gets a mail, instead of those before."
    )


class EndEvent(Frozen):
    """The end of a campaign that a notice reported."""

    id: str
    campaign: str
    at: str
    sentence: str
    deliveries: tuple[Delivery, ...]


class Notice(NewNotice):
    """A notice with the events that it made."""

    id: str
    created_at: str
    error: str = Field(default="", description="Why the notice could not report the newest end.")
    events: tuple[EndEvent, ...] = Field(description="The newest first, at most 20.")
