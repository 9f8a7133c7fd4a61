"""A campaign's load levels: their cross product with conditions, and what they must fit."""

from collections.abc import Collection, Mapping, Sequence

from pydantic import TypeAdapter, ValidationError

from domain.loads.condition import Condition
from domain.loads.load import AnyLoad, CapacityLoad, OpenLoad
from domain.values.names import Name

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


def measured_levels(levels: Mapping[str, AnyLoad]) -> tuple[str, ...]:
    """The levels that have trials of counted slices: all but capacities, which are searched."""
    return tuple(level for level, load in levels.items() if not isinstance(load, CapacityLoad))


def check_known(field: str, names: Sequence[str], known: Collection[str], what: str) -> None:
    """Whether each of a field's names is among the campaign's datapaths or levels. Raises ``ValueError`` if not."""
    for name in names:
        if name not in known:
            raise ValueError(f"{field}: {name!r} is not among the {what}; choose from {', '.join(known)}")


def check_measured(field: str, names: Sequence[str], levels: Mapping[str, AnyLoad], why: str) -> None:
    """Whether a field names levels of the campaign, none of them a capacity: ``why`` says what a search lacks.

    Raises ``ValueError`` if not.
    """
    check_known(field, names, levels, "levels")
    if searched := [name for name in names if isinstance(levels[name], CapacityLoad)]:
        raise ValueError(f"{field}: {searched[0]} is searched, and {why}; remove it")


def check_levels(levels: Mapping[str, AnyLoad], slices: int, clients: int) -> None:
    """Whether trials of so many slices, by so many clients, can have these levels. Raises ``ValueError`` if not."""
    for level, load in levels.items():
        if isinstance(load, OpenLoad) and load.profile and (why := load.profile.problem_with(slices)):
            raise ValueError(f"levels.{level}: {why}")
        if load.divided is not None and load.divided < clients:
            raise ValueError(f"levels.{level}: {load} gives {clients} clients less than one each; raise it")
