"""Parameters of workloads: declared with limits, set by campaigns, complete in every block."""

import pytest

from coordinator.scheduling.planner import plan
from domain.campaigns.campaign import read_campaign, read_campaign_toml
from domain.loads.workload import Parameter, fill_parameters
from domain.service.jobs import HostCapabilities, Variant
from domain.values.names import SHAPES
from domain.values.problems import InvalidInput

TOKENS = Parameter(name="tokens", unit="tokens", default=16, minimum=1, maximum=1000, summary="In one answer.")
GAP = Parameter(name="gap_us", unit="µs", default=5000, minimum=0, maximum=50_000, summary="Between two tokens.")

TOML = """
name = "x"
datapaths = ["direct"]
workloads = ["bulk_download", "stream"]
blocks = 1
[levels]
low = "closed(8)"
all = "open(50%)"
[parameters.bulk_download]
body_bytes = 1048576
"""


def refusals(data: dict[str, object]) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        read_campaign({"name": "x", "datapaths": ["direct"], "levels": {"low": "closed(1)"}} | data)
    return {problem.field: problem.message for problem in caught.value.problems}


def test_toml_and_json_give_the_same_parameters() -> None:
    campaign = read_campaign_toml(TOML)
    assert campaign.parameters == {"bulk_download": {"body_bytes": 1 << 20}}
    assert read_campaign(campaign.model_dump(mode="json")) == campaign


def test_what_is_not_given_has_its_default() -> None:
    assert fill_parameters("stream", (TOKENS, GAP), {}) == {"tokens": 16, "gap_us": 5000}
    assert fill_parameters("stream", (TOKENS, GAP), {"gap_us": 0}) == {"tokens": 16, "gap_us": 0}
    assert fill_parameters("http_keepalive", (), {}) == {}


def test_every_wrong_value_is_named_with_its_remedy() -> None:
    with pytest.raises(InvalidInput) as caught:
        fill_parameters("stream", (TOKENS, GAP), {"tokens": 0, "gap_us": 50_001, "words": 3})
    assert {p.field: p.message for p in caught.value.problems} == {
        "parameters.stream.tokens": "0 is out of range; choose 1 to 1,000 tokens",
        "parameters.stream.gap_us": "50,001 is out of range; choose 0 to 50,000 µs",
        "parameters.stream.words": "stream has no parameter 'words'; it takes tokens, gap_us",
    }
    with pytest.raises(InvalidInput, match="it takes none"):
        fill_parameters("http_keepalive", (), {"tokens": 1})


def test_parameters_of_a_workload_that_does_not_run_are_refused() -> None:
    assert refusals({"parameters": {"stream": {"tokens": 5}}}) == {
        "parameters.stream": "the campaign does not run stream; add it to the workloads, or remove its parameters"
    }


def test_a_default_lies_within_its_own_limits() -> None:
    with pytest.raises(ValueError, match=r"0 is not within 1 to 1,000 tokens"):
        TOKENS.model_validate(TOKENS.model_dump() | {"default": 0})


def test_every_block_carries_the_parameters_of_its_workload() -> None:
    blocks = plan(read_campaign_toml(TOML), ["h1"], 5)
    assert {block.calibration for block in blocks} == {True, False}
    for block in blocks:
        assert block.parameters == ({"body_bytes": 1 << 20} if block.workload == "bulk_download" else {})


def test_hosts_report_them_and_older_hosts_need_not() -> None:
    host = HostCapabilities(host="h", workloads=(Variant(name="stream", parameters=(TOKENS, GAP), protocols=("tcp",)),))
    assert HostCapabilities.model_validate_json(host.model_dump_json()) == host
    assert (
        HostCapabilities.model_validate({"host": "h", "workloads": [{"name": "stream"}]}).workloads[0].parameters == ()
    )


@pytest.mark.parametrize(
    ("data", "field", "message"),
    [
        ({"name": "a b"}, "name", "must be letters, digits, '.', '_' and '-'"),
        ({"name": 1}, "name", "must be text"),
        ({"datapaths": ["Direct"]}, "datapaths.0", "must be a name: lower-case letters, digits and '_'"),
        ({"reference": "Direct"}, "reference", "or that with '#2' for its second copy"),
        ({"hosts": ["h_1"]}, "hosts.0", "must be a host's name"),
        ({"levels": {"Low": "closed(1)"}}, "levels.Low", "must be a name: lower-case letters"),
        ({"levels": {}}, "levels", "give at least one load level"),
        ({"levels": {"low": "closed(0)"}}, "levels.low.closed.connections", "must be at least 1"),
        ({"datapaths": ["direct"] * 10}, "datapaths", "name it at most 9 times"),
        ({"blocks": "6"}, "blocks", "must be a whole number"),
        ({"blocks": 0}, "blocks", "must be at least 1"),
        ({"seed": 2**31}, "seed", "must be less than 2147483648"),
        ({"equivalence_margin": 0}, "equivalence_margin", "must be more than 0"),
        ({"description": "x" * 501}, "description", "is too long; at most 500 characters"),
        ({"parameters": 1}, "parameters", "must be a table of names and values"),
        ({"workloads": ["stream"], "parameters": {"stream": {"tokens": 1.5}}}, "parameters.stream.tokens",
         "must be a whole number"),
    ],
)  # fmt: skip
def test_problems_are_sentences_for_people(data: dict[str, object], field: str, message: str) -> None:
    said = refusals(data)
    assert message in said[field]
    for text in said.values():
        assert not any(words in text for words in ("String", "Input", "Tuple", "Dictionary", "pattern", "valid "))


def test_every_shape_has_its_sentence() -> None:
    assert len(SHAPES) == len(set(SHAPES.values()))
