"""A part of a report as CSV, line by line."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from coordinator.api.provenance import provenance
from domain.loads.metric import SHARE_METRICS
from domain.reports.carrying import CarriedBlocks, CarriedRates, OverloadedTrials
from domain.reports.report import CampaignReport, Percentiles
from domain.values.rounding import rounded


def csv_lines(model: type[BaseModel], report: CampaignReport, field: str) -> Iterator[str]:
    """The header, and one line for each entry in a field of the report, with where it is from."""
    rows: Sequence[BaseModel] = getattr(report, field)
    same, header = provenance(report), _columns(model)
    yield _line([*header, *same])
    for row in rows:
        flat = dict(_flatten(rounded(row.model_dump(mode="json"))))
        yield _line([*(flat.get(column, "") for column in header), *same.values()])


def _line(values: Iterable[Any]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(map(_cell, values))
    return text.getvalue()


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would run as a formula gets an apostrophe in front; numbers stay as they are."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NESTED = {
    **dict.fromkeys(("share_of_direct", "difference", *SHARE_METRICS), ("value", "low", "high")),
    "slo_search": (
        *("lower_per_s", "upper_per_s", "met", "met_of", "missed", "missed_of"),
        *("searches", "blocks", "seconds", "goal_width"),
    ),
    "latency_us": tuple(Percentiles.model_fields),
    "service_time_us": ("p50", "p99", "p999", "count"),
    "carried_in": tuple(CarriedBlocks.model_fields),
    "carried_up_to": tuple(CarriedRates.model_fields),
    "overloaded": tuple(OverloadedTrials.model_fields),
}


def _columns(model: type[BaseModel]) -> list[str]:
    return [
        column
        for field in model.model_fields
        for column in ([f"{field}_{part}" for part in _NESTED[field]] if field in _NESTED else [field])
    ]


def _flatten(row: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    for field, value in row.items():
        if isinstance(value, Mapping):
            yield from ((f"{field}_{part}", number) for part, number in value.items())
        elif isinstance(value, list):
            yield field, "; ".join(map(str, value))
        else:
            yield field, "" if value is None else value
