"""Datapaths that a campaign leaves out because no host can run them."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from domain.values.bounds import MAX_TRIALS, Paragraph
from domain.values.names import Name

LeaveOutMissing = Annotated[
    bool | None, Field(strict=True, description="Leave out datapaths that no host can run; default: refuse them.")
]
LeftOut = Annotated[
    dict[Name, Paragraph],
    Field(
        max_length=MAX_TRIALS,
        description="The datapaths that were left out, each with the reason; set by the coordinator.",
    ),
]


def left_out_text(left_out: Mapping[str, str]) -> str:
    """One sentence for each datapath that was left out; empty without any."""
    return " ".join(f"{name} was left out, as no host can run it: {why.rstrip('.')}." for name, why in left_out.items())
