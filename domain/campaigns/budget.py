"""How exact a campaign is to become, and how long it may take: ``precision = 0.02``, ``budget = "10 min"``.

With either of them, the campaign adds blocks after the planned ones. It ends when each primary interval is narrow
enough, or when the budget is spent.
"""

from typing import Annotated, Protocol

from pydantic import AfterValidator, Field

from domain.loads.duration import duration_text, read_duration
from domain.loads.metric import Metric
from domain.values.bounds import text

DEFAULT_BUDGET_S = 1_800.0  # of a campaign with a precision and no budget
MIN_BUDGET_S = 30.0
MAX_BUDGET_S = 24 * 3600.0
MIN_PRECISION = 0.002  # below it, the noise between boots is larger
MAX_PRECISION = 0.5
PRECISE_METRICS = (Metric.CPU_US_PER_REQUEST, Metric.REQUESTS_PER_S)
"""What ``precision`` is about: cost. At closed levels requests/s is CPU per request, seen from the other side."""


def _within_limits(text: str) -> str:
    seconds = read_duration(text)
    if not MIN_BUDGET_S <= seconds <= MAX_BUDGET_S:
        raise ValueError(
            f"must be from {duration_text(MIN_BUDGET_S)} to {duration_text(MAX_BUDGET_S)}, not {text.strip()}"
        )
    return " ".join(text.split())


Precision = Annotated[
    float | None,
    Field(
        ge=MIN_PRECISION,
        le=MAX_PRECISION,
        description="Add blocks until the 95 % interval of each primary ratio is at most so far from its ratio: "
        "0.02 is ±2 %. The ratios are of CPU per request (open levels) or of requests/s (closed ones).",
    ),
]
Budget = Annotated[
    Annotated[str, text(20), AfterValidator(_within_limits)] | None,
    Field(description="Add blocks until so much time is spent, as '10 min'; with a precision and no budget: 30 min."),
]


class Budgeted(Protocol):
    """The fields of a campaign that a budget is about; :class:`~domain.campaigns.campaign.Campaign` checks its own."""

    @property
    def precision(self) -> float | None: ...
    @property
    def budget(self) -> str | None: ...
    @property
    def blocks(self) -> int: ...
    @property
    def traffic_s(self) -> float: ...


def is_adaptive(campaign: Budgeted) -> bool:
    """Whether the campaign adds blocks after the planned ones."""
    return campaign.precision is not None or campaign.budget is not None


def budget_s_of(campaign: Budgeted) -> float:
    """Seconds that an adaptive campaign may take, from its start."""
    return DEFAULT_BUDGET_S if campaign.budget is None else read_duration(campaign.budget)


def check_budget(campaign: Budgeted) -> None:
    """Raises :class:`ValueError` if the budget does not even suffice for the traffic of the planned blocks."""
    if campaign.budget is not None and campaign.traffic_s > budget_s_of(campaign):
        raise ValueError(
            f"budget: {campaign.budget} is less than the {duration_text(campaign.traffic_s)} of traffic of the "
            f"{campaign.blocks} planned blocks; raise it, or use fewer blocks or shorter slices"
        )
