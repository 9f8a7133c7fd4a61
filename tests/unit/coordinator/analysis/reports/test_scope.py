"""The scope: where and when, as far as the workers reported it."""

from dataclasses import replace

from coordinator.analysis.reports.scope import scope_of
from coordinator.analysis.trials.campaign_results import CampaignResults
from tests.unit.coordinator.analysis.results import a_campaign, an_attempt

FACTS = {"kernel": "6.18.5 #1 SMP", "cpus": "2", "virtualisation": "hypervisor", "boot_id": "b1"}
RECORD = {"started_at": "2026-11-29T14:02:10+00:00", "ended_at": "2026-11-29T14:10:50+00:00"}


def scope(*facts, record=RECORD, hosts=()):
    attempts = []
    for index, one in enumerate(facts):
        attempt = an_attempt(index, {"tproxy": 50_000})
        host = hosts[index] if hosts else "vm"
        attempts.append(replace(attempt, result=attempt.result.model_copy(update={"fingerprint": one, "host": host})))
    return scope_of(CampaignResults(a_campaign("tproxy"), attempts, 7, {}), record)


def test_one_boot_of_one_host():
    found = scope(FACTS, FACTS)
    assert found.text == "this boot of vm, 2026-11-29 14:02–14:10 UTC, these 2 shared virtual CPUs, Linux 6.18.5"
    assert (found.hosts, found.boots, found.cpus, found.kernel, found.virtual) == (("vm",), 1, 2, "6.18.5", True)


def test_a_reboot_is_no_other_fingerprint_and_is_counted():
    found = scope(FACTS, {**FACTS, "boot_id": "b2"})
    assert (found.boots, found.text.partition(",")[0]) == (2, "2 boots of vm")


def test_several_hosts_are_named():
    found = scope(FACTS, {**FACTS, "boot_id": "b2"}, hosts=("b", "a"))
    assert found.text.startswith("2 boots of 2 hosts (a, b), ")
    assert "2 shared virtual CPUs" in found.text
    assert "these" not in found.text


def test_what_no_worker_reported_is_not_said():
    found = scope({"kernel": "unknown: no such file", "cpus": "unknown"})
    assert found.text == "host vm, 2026-11-29 14:02–14:10 UTC"
    bare = scope({"kernel": "6.1", "cpus": "1", "virtualisation": "none seen"})
    assert bare.text.endswith(", this 1 shared CPU, Linux 6.1")


def test_a_running_campaign_has_a_beginning_only():
    assert "since 2026-11-29 14:02 UTC" in scope(FACTS, record={**RECORD, "ended_at": None}).text
    assert scope().text == "nothing is measured yet"


def test_a_campaign_over_midnight():
    record = {**RECORD, "ended_at": "2026-11-30T00:10:50+00:00"}
    assert "2026-11-29 14:02–2026-11-30 00:10 UTC" in scope(FACTS, record=record).text


def test_blocks_that_are_left_out_are_not_in_the_scope():
    other = {**FACTS, "kernel": "6.19.0 #1", "boot_id": "b2"}
    assert scope(FACTS, FACTS, other).text == scope(FACTS, FACTS).text


def test_cpus_of_their_own_are_not_shared():
    own = {"cpus": "4", "cpu_placement": "generator on 0; DUT on 1-2; origin on 3"}
    assert (scope(FACTS).shared_cpus, scope(FACTS | own).shared_cpus) == (True, False)
    assert "these 4 virtual CPUs" in scope(FACTS | own).text
    assert "these 2 shared virtual CPUs" in scope(FACTS).text
