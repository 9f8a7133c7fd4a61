"""What a command changes of a rule or a notice: the options that were given."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from deploy.cli.errors import CampaignInvalid, UsageProblem
from domain.values.frozen import Frozen
from domain.values.problems import problems_of

C = TypeVar("C", bound=Frozen)


def receiver_changes(webhook: str | None, email: tuple[str, ...]) -> dict[str, Any]:
    """The receivers that were given; an empty address among others is left out, and alone it removes all."""
    return {"webhook": webhook, "email": tuple(filter(None, email)) if email else None}


def changes_of(kind: type[C], options: Mapping[str, Any], heading: str) -> C:
    """The changes by the options that were given; an empty text is null. Raises ``UsageProblem`` without any."""
    given = {name: None if value == "" else value for name, value in options.items() if value is not None}
    if not given:
        names = ", ".join(f"--{name}" if name != "occasion" else "--on" for name in options)
        raise UsageProblem(f"nothing is to be changed: give at least one of {names}")
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise CampaignInvalid(problems_of(error), heading) from error
