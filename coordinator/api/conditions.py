"""The terms of a condition, as the REST catalogue has them."""

from collections.abc import Mapping
from typing import Any

from apiflask import APIBlueprint
from pydantic import BaseModel, Field

from domain.loads.condition_terms import LISTED

blueprint = APIBlueprint("conditions", __name__, tag="Catalogue")


class ConditionTerm(BaseModel):
    """One term of a condition."""

    name: str
    usage: str = Field(description="As it is written, with what its number means.")
    meaning: str
    minimum: float | None = Field(default=None, description="Of its number; null if it takes none.")
    maximum: float | None = Field(default=None, description="Of its number; null if it takes none.")
    unit: str = Field(default="", description="Of its number; empty if it takes none.")
    needs: list[str] = Field(description="Features that a host must have for it.")


class ConditionList(BaseModel):
    """All terms, in the order in which a condition prints them."""

    conditions: list[ConditionTerm]


@blueprint.get("/conditions")
@blueprint.output(ConditionList)
def list_conditions() -> Mapping[str, Any]:
    """The terms of conditions, which a level or a campaign may have."""
    found = (
        {
            "name": term.name,
            "usage": term.usage,
            "meaning": term.text,
            "minimum": term.number.least if term.number else None,
            "maximum": term.number.most if term.number else None,
            "unit": term.number.unit if term.number else "",
            "needs": list(term.needs),
        }
        for term in LISTED
    )
    return {"conditions": list(found)}
