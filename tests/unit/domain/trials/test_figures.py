"""Declared figures and series: bounded, of one line, and short."""

from collections.abc import Mapping

import pytest
from pydantic import ValidationError

from domain.trials.figures import (
    MAX_DECLARED,
    MAX_SERIES,
    MAX_VALUES,
    TrialFigure,
    TrialFigures,
    TrialSeries,
    series_of,
)

SERIES = {"name": "rate", "title": "rate of all", "at_s": (1.0, 2.0), "values": (3.0, 4.0)}


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2500, 864_000])
def test_a_series_of_any_length_is_thinned_by_means(count: int) -> None:
    values = [float(n) for n in range(count)]
    found = series_of("rate", "rate of all", "Mbit/s", [n / 10 for n in range(count)], values)
    assert len(found.values) == len(found.at_s) <= MAX_VALUES
    step = max(1, -(-count // MAX_VALUES))
    assert found.values[:1] == tuple([(step - 1) / 2][:count])
    assert found.at_s[-1:] == tuple([(count - 1) / 10][: bool(count)]), "the last one ends with the last value"
    assert len(found.values) > MAX_VALUES // 2 or count <= MAX_VALUES


@pytest.mark.parametrize(
    "changes",
    [
        {"at_s": (1.0,)},
        {"values": ()},
        {"values": (1e300, 0.0)},
        {"at_s": (0.0,) * (MAX_VALUES + 1), "values": (0.0,) * (MAX_VALUES + 1)},
        {"title": "\x1b]0;mine\x07"},
        {"unit": "a\nb"},
    ],
)
def test_a_series_is_whole_finite_and_short(changes: Mapping[str, object]) -> None:
    TrialSeries.model_validate(SERIES)
    with pytest.raises(ValidationError):
        TrialSeries.model_validate({**SERIES, **changes})


def test_sums_and_squares_of_the_largest_figures_are_finite() -> None:
    with pytest.raises(ValidationError):
        TrialFigure(name="a", title="a", value=MAX_DECLARED * 1.1)
    assert (2 * TrialFigure(name="a", title="a", value=MAX_DECLARED).value) ** 2 * 3000 < float("inf")
    with pytest.raises(ValidationError):
        TrialFigures(series=(TrialSeries.model_validate(SERIES),) * (MAX_SERIES + 1))
