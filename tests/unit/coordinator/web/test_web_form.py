"""The form and its campaign, without a server."""

import tomllib
from pathlib import Path

import pytest
from werkzeug.datastructures import MultiDict

from coordinator.web import form as forms
from coordinator.web.choices import Choice, in_order
from coordinator.web.presets import fitted
from domain.campaigns.campaign import read_campaign, read_campaign_toml
from domain.values.problems import InvalidInput, Problem
from tests import ROOT


def typed(form: forms.Form, **changes: str | list[str]) -> MultiDict[str, str]:
    """The fields that a browser would send for ``form``, with changes."""
    pairs = [(name, value) for name, value in form.values.items()]
    pairs += [(name, value) for name, values in form.chosen.items() for value in values]
    pairs += list(form.parameters.items())
    for row in form.rows:
        pairs += [("level_name", row.name), ("level_kind", row.kind)]
        pairs += [("level_load", row.value), ("level_condition", row.condition)]
    if "level_load" in changes:
        changes = {"level_kind": [], "level_condition": []} | changes
    pairs = [pair for pair in pairs if pair[0] not in changes]
    for name, value in changes.items():
        pairs += [(name, each) for each in ([value] if isinstance(value, str) else value)]
    return MultiDict(pairs)


def test_an_empty_form_proposes_the_reference_campaign() -> None:
    reference = read_campaign_toml((ROOT / "deploy/campaigns/showdown.toml").read_text())
    assert forms.reference_campaign() == reference
    without = {"focus_levels": (), "probe_levels": ()}
    assert read_campaign(forms.mapping_of(typed(forms.blank()))) == reference.model_copy(update=without)


@pytest.mark.parametrize("path", sorted((ROOT / "deploy/campaigns").glob("*.toml")), ids=lambda p: p.stem)
def test_every_campaign_survives_the_way_through_the_form(path: Path) -> None:
    campaign = read_campaign(tomllib.loads(path.read_text()))
    assert read_campaign(forms.mapping_of(typed(forms.of_campaign(campaign)))) == campaign


def test_a_copy_survives_the_way_through_the_form() -> None:
    campaign = read_campaign(
        {"name": "aa", "datapaths": ["direct", "tproxy", "tproxy"], "reference": "tproxy#2", "levels": {"a": "open(9)"}}
    )
    form = forms.of_campaign(campaign)
    assert form.chosen["copy"] == ("tproxy",)
    assert read_campaign(forms.mapping_of(typed(form))) == campaign
    assert form.references(["direct", "tproxy"]) == ("direct", "tproxy", "tproxy#2")


def test_parameters_survive_the_way_through_the_form() -> None:
    campaign = read_campaign(
        {
            "name": "p", "datapaths": ["direct"], "levels": {"a": "closed(1)"}, "workloads": ["stream", "bulk_upload"],
            "parameters": {"stream": {"tokens": 200, "gap_us": 0}, "bulk_upload": {"body_bytes": 9}},
        }
    )  # fmt: skip
    form = forms.of_campaign(campaign)
    assert form.parameters["parameters.stream.tokens"] == "200"
    assert read_campaign(forms.mapping_of(typed(form))) == campaign
    # Input for a workload that is not ticked is ignored, and so is an empty field.
    changes: dict[str, str | list[str]] = {"workloads": ["stream"], "parameters.stream.tokens": " "}
    assert forms.mapping_of(typed(form, **changes))["parameters"] == {"stream": {"gap_us": 0}}


def test_primary_comparisons_survive_the_way_through_the_form() -> None:
    """Of a campaign that is submitted again, the family would otherwise be another one."""
    primary = ("direct / tproxy: cpu_us_per_request", "tproxy / ebpf_sk_assign")
    campaign = read_campaign(
        {"name": "p", "datapaths": ["direct", "tproxy", "ebpf_sk_assign"], "levels": {"a": "open(9)"},
         "primary": primary}
    )  # fmt: skip
    form = forms.of_campaign(campaign)
    assert form.values["primary"] == "\n".join(primary)
    assert read_campaign(forms.mapping_of(typed(form))) == campaign
    sent = typed(form, primary=f"{primary[0]}\r\n\r\nnobody / tproxy\r\n")
    assert forms.mapping_of(sent)["primary"] == [primary[0], "nobody / tproxy"]
    with pytest.raises(InvalidInput) as refusal:
        read_campaign(forms.mapping_of(sent))
    refused = forms.submitted(sent, refusal.value.problems)
    assert "'nobody' is not among the datapaths" in refused.errors("primary")[0]
    assert refused.general_errors == []
    assert refused.values["primary"].startswith(primary[0])


def test_a_focus_survives_the_way_through_the_form() -> None:
    campaign = forms.reference_campaign()
    assert campaign.focus
    form = forms.of_campaign(campaign)
    assert (form.values["focus"], form.values["focus_slices"]) == ("tproxy, ebpf_sk_assign", "2")
    assert read_campaign(forms.mapping_of(typed(form))) == campaign
    sent = typed(form, focus="tproxy, nobody", focus_levels="half,none")
    with pytest.raises(InvalidInput) as refusal:
        read_campaign(forms.mapping_of(sent))
    refused = forms.submitted(sent, refusal.value.problems)
    assert "'nobody' is not among the datapaths" in refused.errors("focus")[0]
    assert (refused.general_errors, refused.values["focus_levels"]) == ([], "half,none")


def test_margins_survive_the_way_through_the_form() -> None:
    campaign = read_campaign(
        {"name": "m", "datapaths": ["direct", "tproxy"], "levels": {"a": "open(9)"},
         "margins": {"latency_p99_us": 0.125, "percent_over_5ms": 2}}
    )  # fmt: skip
    form = forms.of_campaign(campaign)
    assert form.values["margins"] == "latency_p99_us = 0.125\npercent_over_5ms = 2"
    assert form.values["equivalence_margin"] == ""
    assert read_campaign(forms.mapping_of(typed(form))) == campaign
    sent = typed(form, margins="latency_p99_us = much")
    with pytest.raises(InvalidInput) as refusal:
        read_campaign(forms.mapping_of(sent))
    refused = forms.submitted(sent, refusal.value.problems)
    assert "latency_p99_us: write a number above 0" in refused.errors("margins")[0]
    assert (refused.values["margins"], refused.general_errors) == ("latency_p99_us = much", [])


@pytest.mark.parametrize("name", ["²", "٣", "9" * 5_000])
def test_a_name_of_digits_is_no_number_of_an_entry(name: str) -> None:
    form = forms.submitted(MultiDict(), [Problem(field=f"margins.{name}", message="is no metric")])
    assert form.errors("margins") == [f"{name}: is no metric"]


def test_a_parameter_has_its_problem_next_to_it_and_keeps_what_was_typed() -> None:
    sent = typed(forms.blank(), workloads=["stream"], **{"parameters.stream.tokens": "many"})
    with pytest.raises(InvalidInput) as refusal:
        read_campaign(forms.mapping_of(sent))
    form = forms.submitted(sent, refusal.value.problems)
    [one] = form.parameters_of(Choice("stream"))
    assert (one.label, one.value, one.declared) == ("tokens", "many", None)
    assert one.errors == ("must be a whole number",)
    assert form.general_errors == []
    lost = forms.submitted(MultiDict(), refusal.value.problems)
    assert lost.general_errors == ["parameters.stream.tokens: must be a whole number"]


def test_what_is_left_empty_is_left_to_the_domain() -> None:
    mapping = forms.mapping_of(typed(forms.blank(), seed="", blocks=" ", reference="", probes=[]))
    assert mapping.keys().isdisjoint({"seed", "blocks", "reference", "probes", "hosts"})
    assert forms.mapping_of(MultiDict()) == {"datapaths": [], "workloads": [], "levels": {}}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "no spaces"}, "name"),
        ({"blocks": "many"}, "blocks"),
        ({"blocks": "1.5"}, "blocks"),
        ({"blocks": "9" * 5000}, "blocks"),
        ({"slice_s": "nan"}, "slice_s"),
        ({"slice_s": "inf"}, "slice_s"),
        ({"warm_up_s": "soon"}, "warm_up_s"),
        ({"datapaths": []}, "datapaths"),
        ({"workloads": []}, "workloads"),
        ({"reference": "nothing"}, "reference"),
        ({"probes": ["Run Queue"]}, "probes"),
        ({"equivalence_margin": "3"}, "equivalence_margin"),
        ({"level_name": [], "level_load": []}, "levels"),
    ],
)
def test_each_problem_is_next_to_its_field(changes: dict[str, str | list[str]], field: str) -> None:
    sent = typed(forms.blank(), **changes)
    with pytest.raises(InvalidInput) as refusal:
        read_campaign(forms.mapping_of(sent))
    form = forms.submitted(sent, refusal.value.problems)
    assert form.errors(field)
    assert form.general_errors == []


@pytest.mark.parametrize("load", ["closed(0)", "open(many)", "", "closed(99999999)"])
def test_a_level_has_its_problems_in_its_row(load: str) -> None:
    sent = typed(forms.blank(), level_name=["low", "odd"], level_load=["closed(8)", load])
    with pytest.raises(InvalidInput) as refusal:
        read_campaign(forms.mapping_of(sent))
    form = forms.submitted(sent, refusal.value.problems)
    assert form.level_errors("odd")
    assert not form.level_errors("low")
    assert [(row.name, row.value) for row in form.rows] == [("low", "closed(8)"), ("odd", load), ("", "")]


def test_a_problem_without_a_separate_field_is_not_lost() -> None:
    form = forms.submitted(
        MultiDict(), [Problem(field="campaign", message="odd"), Problem(field="levels.x.y", message="z")]
    )
    assert form.general_errors == ["campaign: odd", "levels.x.y: z"]


def test_a_level_named_twice_is_a_problem() -> None:
    sent = typed(forms.blank(), level_name=["a", "b", "a"], level_load=["closed(1)"] * 3)
    assert [p.field for p in forms.repeated_names(sent)] == ["levels.a"]


def test_the_blank_form_ticks_only_what_runs_somewhere() -> None:
    available = {"datapaths": ["direct", "ebpf_redirect"], "probes": ["run_queue"], "workloads": []}
    form = forms.blank(fitted(forms.reference_campaign(), available))
    assert form.chosen["datapaths"] == ("direct", "ebpf_redirect")
    assert form.values["reference"] == ""
    assert form.values["primary"] == "", "a comparison of datapaths that no host has would be refused"
    assert "ebpf_sk_assign / tproxy" in forms.blank().values["primary"]
    assert [form.values[name] for name in ("focus", "focus_levels", "focus_slices")] == ["", "", ""]
    assert form.chosen["probes"] == ("run_queue",)
    assert form.chosen["workloads"] == ("http_keepalive",)  # no host has reported any, so the default remains


def test_other_levels_than_those_of_the_blank_form_are_no_problem() -> None:
    form = forms.blank()
    assert form.values["focus"] == "tproxy, ebpf_sk_assign"
    campaign = read_campaign(forms.mapping_of(typed(form, level_name=["only"], level_load=["closed(8)"])))
    assert list(campaign.levels) == ["only"]


def test_choices_come_in_the_order_of_the_reference_campaign() -> None:
    choices = [Choice("aaa", available=True), Choice("tproxy", available=True), Choice("direct")]
    ordered = in_order(choices, ["tproxy", "gone#2"], forms.reference_campaign().datapaths)
    assert [c.name for c in ordered] == ["tproxy", "aaa", "direct", "gone"]
