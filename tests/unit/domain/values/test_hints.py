"""Problems that say what was probably meant."""

import math

import pytest

from domain.campaigns.campaign import read_campaign
from domain.values.hints import did_you_mean
from domain.values.problems import InvalidInput

GOOD = {"name": "x", "datapaths": ["direct", "tproxy"], "levels": {"a": "closed(8)"}}


def refused(**changes: object) -> dict[str, str]:
    with pytest.raises(InvalidInput) as refusal:
        read_campaign(GOOD | changes)
    return {problem.field: problem.message for problem in refusal.value.problems}


@pytest.mark.parametrize(
    ("name", "meant"),
    [("tproxi", "tproxy"), ("TPROXY", "tproxy"), ("tproxysyn", "tproxy_syn"), ("zebra", ""), ("x" * 100_000, "")],
)
def test_a_near_miss_has_a_question(name: str, meant: str) -> None:
    question = did_you_mean(name, ["direct", "tproxy", "tproxy_syn"])
    assert question == (f" (did you mean {meant!r}?)" if meant else "")


def test_misspelt_fields_and_labels() -> None:
    assert "did you mean 'blocks'" in refused(blokcs=3)["blokcs"]
    assert "did you mean" not in refused(zzz=3)["zzz"]
    assert "did you mean 'tproxy'" in refused(reference="tproxi")["reference"]
    assert "did you mean 'tproxy'" in refused(primary=["direct / tproxi"])["primary"]
    assert "did you mean 'tproxy'" in refused(expect={"a": "tproxi.cpu_us_per_request <= 1"})["expect.a"]


def test_what_is_missing_is_said_in_the_words_of_the_form() -> None:
    assert refused(datapaths=[])["datapaths"] == "choose at least one datapath"
    assert refused(workloads=[])["workloads"] == "choose at least one workload"
    assert refused(levels={})["levels"] == "give at least one load level"


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_number_that_is_none(number: float) -> None:
    assert refused(slice_s=number) == {"slice_s": "must be a number"}
    assert refused(slice_s=61.0) == {"slice_s": "must be at most 60"}


@pytest.mark.parametrize(
    ("name", "meant"), [("my campaign", "my-campaign"), ("nightly ", "nightly"), ("_x/y", "x-y"), ("x" * 70, "x" * 64)]
)
def test_a_name_that_is_not_allowed_has_the_nearest_one(name: str, meant: str) -> None:
    message = refused(name=name)["name"]
    assert message.startswith("must be letters, digits")
    assert message.endswith(f"(did you mean {meant!r}?)")
    assert read_campaign(GOOD | {"name": meant}).name == meant


def test_a_name_without_an_allowed_character_has_no_question() -> None:
    assert "did you mean" not in refused(name="…")["name"]
