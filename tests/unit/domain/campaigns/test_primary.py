"""The primary comparisons of a campaign: read, refused with a message, and kept."""

import pytest

from domain.campaigns.campaign import Campaign, read_campaign
from domain.campaigns.primary import PRIMARY_METRICS, PrimaryPair, read_primary
from domain.loads.metric import Metric
from domain.values.problems import InvalidInput

BASE = {"name": "t", "datapaths": ["direct", "tproxy", "tproxy"], "levels": {"low": "closed(8)"}}


def test_two_labels_and_their_metrics() -> None:
    assert read_primary("a / b") == read_primary(" a/b ") == PrimaryPair("a", "b", PRIMARY_METRICS)
    found = read_primary("tproxy#2 / tproxy: latency_p50_us, cpu_us_per_request,latency_p50_us")
    assert found == PrimaryPair("tproxy#2", "tproxy", (Metric.LATENCY_P50_US, Metric.CPU_US_PER_REQUEST))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (["tproxy"], "write two datapaths"),
        (["tproxy / tproxy"], "compares tproxy with itself"),
        (["tproxy / nosuch"], "'nosuch' is not among the datapaths; choose from direct, tproxy, tproxy#2"),
        (["tproxy / direct: latency_p99_us"], "'latency_p99_us' cannot be primary; choose from requests_per_s"),
        (["tproxy / direct: latency_p999_us"], "cannot be primary"),
        (["tproxy / direct:"], "'' cannot be primary"),
        (["tproxy / direct", "direct / tproxy"], "direct and tproxy are compared twice"),
        ("tproxy / direct", "must be a list"),
        ([f"a{i} / b" for i in range(65)], "64"),
    ],
)
def test_what_cannot_be_judged_is_refused_at_its_field(entries: object, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_campaign({**BASE, "primary": entries})
    (problem,) = caught.value.problems
    assert problem.field.partition(".")[0] == "primary"
    assert message in problem.message


def test_a_campaign_keeps_them_and_older_ones_have_none() -> None:
    campaign = read_campaign({**BASE, "primary": ["tproxy / direct"]})
    assert Campaign.model_validate_json(campaign.model_dump_json()) == campaign
    older = campaign.model_dump(mode="json")
    del older["primary"]
    assert Campaign.model_validate(older).primary == ()
