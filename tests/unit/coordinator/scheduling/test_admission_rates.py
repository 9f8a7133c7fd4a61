"""A workload whose generator supports only some rates refuses the others."""

import pytest

from domain.jobs import Variant
from tests.unit.coordinator.coordinator_app import CoordinatorApp, capabilities

FEW = Variant(name="few_rates", level_kinds=("open", "closed"), open_rates_per_s=(100, 250))


@pytest.mark.parametrize("level", ["closed(8)", "open(100)", "open(250)"])
def test_levels_that_it_carries(coordinator_app: CoordinatorApp, level: str) -> None:
    assert submitted(coordinator_app, level) == []


@pytest.mark.parametrize("level", ["open(99)", "open(1000)", "open(25%)", "capacity(p99<=5ms)"])
def test_levels_that_it_does_not(coordinator_app: CoordinatorApp, level: str) -> None:
    message = f"few_rates carries open loads at rates of 100, 250/s only, not {level}"
    assert submitted(coordinator_app, level) == [{"field": "levels.low", "message": message}]


def submitted(coordinator_app: CoordinatorApp, level: str) -> list[dict[str, str]]:
    coordinator_app.register()
    known = capabilities("h1")
    body = known.model_copy(update={"workloads": (*known.workloads, FEW)}).model_dump(mode="json")
    assert (
        coordinator_app.client.put("/api/v1/worker/hosts/h1", json=body, headers=coordinator_app.worker).status_code
        == 204
    )
    campaign = {"name": "x", "datapaths": ["direct"], "workloads": ["few_rates"], "levels": {"low": level}}
    answer = coordinator_app.client.post("/api/v1/campaigns", json=campaign, headers=coordinator_app.user)
    problems: list[dict[str, str]] = answer.json.get("problems", [])
    return problems
