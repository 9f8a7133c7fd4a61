"""Where a probe's stage is on a request's path. The probe declares it, and the host's capabilities carry it."""

from pydantic import Field

from domain.probes.watched import StageRole
from domain.values.bounds import Word
from domain.values.frozen import Frozen


class Place(Frozen):
    """The place of a stage whose time is part of a request's latency; a stage beside the path has none."""

    order: int = Field(ge=0, le=1_000_000, description="Stages come in this order; equal ones by name.")
    within: dict[Word, StageRole] = Field(
        default={},
        max_length=32,
        description="By role: the stage and role that contain this one. Its time is taken off theirs.",
    )
    host_roles: tuple[Word, ...] = Field(
        default=(),
        max_length=32,
        description="Roles whose time belongs to the whole host. They are shown beside the sum.",
    )
