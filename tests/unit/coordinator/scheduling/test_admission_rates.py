"""A workload whose generator supports only some rates refuses the others."""

import pytest

from domain.service.jobs import Variant
from tests.unit.coordinator.coordinator_app import CoordinatorApp, capabilities

FEW = Variant(name="few_rates", level_kinds=("open", "closed"), open_rates_per_s=(100, 250))
CONSTANT = FEW.model_copy(update={"open_arrivals": ("constant",)})


@pytest.mark.parametrize("level", ["closed(8)", "open(100)", "open(250)"])
def test_levels_that_it_carries(coordinator_app: CoordinatorApp, level: str) -> None:
    assert submitted(coordinator_app, level) == []


@pytest.mark.parametrize("level", ["open(99)", "open(1000)", "open(25%)", "capacity(p99<=5ms)"])
def test_levels_that_it_does_not(coordinator_app: CoordinatorApp, level: str) -> None:
    message = f"few_rates carries open loads at rates of 100, 250/s only, not {level}"
    assert submitted(coordinator_app, level) == [{"field": "levels.low", "message": message}]


@pytest.mark.parametrize("level", ["closed(8)", "open(100, constant)"])
def test_arrivals_that_it_offers(coordinator_app: CoordinatorApp, level: str) -> None:
    assert submitted(coordinator_app, level, CONSTANT) == []


@pytest.mark.parametrize("level", ["open(100)", "open(100, constant, in_flight<=9)"])
def test_arrivals_that_it_does_not_offer(coordinator_app: CoordinatorApp, level: str) -> None:
    message = "few_rates offers constant arrivals without a limit of requests in flight only; write open(100, constant)"
    assert submitted(coordinator_app, level, CONSTANT) == [{"field": "levels.low", "message": message}]


def test_a_rate_that_changes_is_not_offered_either(coordinator_app: CoordinatorApp) -> None:
    message = "few_rates offers constant arrivals at a rate that does not change only; write open(250, constant)"
    found = submitted(coordinator_app, "open(100..250, ramp, constant)", CONSTANT)
    assert found == [{"field": "levels.low", "message": message}]


def submitted(coordinator_app: CoordinatorApp, level: str, variant: Variant = FEW) -> list[dict[str, str]]:
    coordinator_app.register()
    known = capabilities("h1")
    body = known.model_copy(update={"workloads": (*known.workloads, variant)}).model_dump(mode="json")
    assert (
        coordinator_app.client.put("/api/v1/worker/hosts/h1", json=body, headers=coordinator_app.worker).status_code
        == 204
    )
    campaign = {"name": "x", "datapaths": ["direct"], "workloads": ["few_rates"], "levels": {"low": level}}
    answer = coordinator_app.client.post("/api/v1/campaigns", json=campaign, headers=coordinator_app.user)
    problems: list[dict[str, str]] = answer.json.get("problems", [])
    return problems
