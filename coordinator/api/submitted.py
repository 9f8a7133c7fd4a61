"""What a user sent, as a campaign; a refusal has all its problems at once."""

from collections.abc import Iterable, Mapping
from typing import Any

from coordinator.services import services
from coordinator.store.lifecycle.all_problems import all_problems
from domain.campaigns.campaign import Campaign, read_campaign
from domain.values.problems import InvalidInput, Problem


def read_submitted(data: Mapping[str, Any], *, more: Iterable[Problem] = ()) -> Campaign:
    """Validate a decoded campaign; ``more`` are problems that the decoding found.

    Raises :class:`InvalidInput` with every problem, those with the hosts included.
    """
    further = list(more)
    try:
        found = read_campaign(data)
        if not further:
            return found
        problems: tuple[Problem, ...] = ()
    except InvalidInput as error:
        problems = error.problems
    known = services()
    with known.store.read() as session:
        raise InvalidInput(all_problems(session, data, [*problems, *further], known.clock()))
