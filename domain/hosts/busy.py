"""Foreign processes that used the CPUs while a block was measured."""

from typing import Annotated

from pydantic import Field

from domain.values.bounds import PRINTABLE, text
from domain.values.frozen import Frozen
from domain.values.texts import share_text

MOST_BUSY = 3  # that a finding names


class BusyProcess(Frozen):
    """Processes of one name that are no part of a block, and the share of the host's CPUs that they used."""

    name: Annotated[str, text(32), PRINTABLE]
    share: float = Field(ge=0, le=1)

    def __str__(self) -> str:
        return f"{self.name} {share_text(self.share, 1 if self.share < 0.1 else 0)}"
