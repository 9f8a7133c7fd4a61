"""The cells of campaigns, each validated once. Pure."""

from functools import lru_cache

from domain.campaigns.campaign import Cell
from domain.values.names import Label, Name


@lru_cache(maxsize=4096)
def cell_at(datapath: Label, workload: Name, level: Name) -> Cell:
    """A cell: a report asks for some hundred of them tens of thousands of times."""
    return Cell(datapath=datapath, workload=workload, level=level)
