"""A campaign's load levels: their cross product with conditions, and what they must fit."""

from collections.abc import Mapping

from pydantic import TypeAdapter, ValidationError

from domain.condition import Condition
from domain.load import AnyLoad, OpenLoad
from domain.names import Name

MAX_LEVELS = 16  # of a campaign, including those that conditions add

_NAME: TypeAdapter[str] = TypeAdapter(Name)


def cross_product(levels: Mapping[str, AnyLoad], conditions: Mapping[str, Condition]) -> dict[str, AnyLoad]:
    """Every level under every condition, as ``<level>_<condition>``; without conditions, the levels unchanged.

    Raises ``ValueError`` with the fix.
    """
    if not conditions:
        return dict(levels)
    if len(levels) * len(conditions) > MAX_LEVELS:
        raise ValueError(
            f"{len(levels)} levels under {len(conditions)} conditions make {len(levels) * len(conditions)}; "
            f"at most {MAX_LEVELS}"
        )
    found: dict[str, AnyLoad] = {}
    for level, load in levels.items():
        if load.under:
            raise ValueError(f"{level} already has a condition; remove it, or remove the campaign's conditions")
        for name, condition in conditions.items():
            try:
                both = _NAME.validate_python(f"{level}_{name}")
            except ValidationError as error:
                raise ValueError(f"{level}_{name} is too long for a name; shorten one of them") from error
            if both in found:
                raise ValueError(f"two levels would be named {both}; rename a level or a condition")
            found[both] = load.model_copy(update={"condition": condition})
    return found


def check_levels(levels: Mapping[str, AnyLoad], slices: int, clients: int) -> None:
    """Whether trials of so many slices, by so many clients, can have these levels. Raises ``ValueError`` if not."""
    for level, load in levels.items():
        if isinstance(load, OpenLoad) and load.profile and (why := load.profile.problem_with(slices)):
            raise ValueError(f"levels.{level}: {why}")
        if load.divided is not None and load.divided < clients:
            raise ValueError(f"levels.{level}: {load} gives {clients} clients less than one each; raise it")
