"""The scrape jobs and alert rules for Prometheus: their schema, their PromQL, and that their metrics exist."""

import re
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from jsonschema import Draft202012Validator
from prometheus_client import CollectorRegistry, generate_latest

from coordinator.store.rows.quarantine import Kind, set_aside
from dashboards import generate
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.workers.agent.test_metrics import busy_collector

DIRECTORY = generate.DIRECTORY / "prometheus"
DURATION = {"type": "string", "pattern": "^([0-9]+(ms|s|m|h|d|w|y))+$"}
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
RULE = {
    "type": "object",
    "required": ["alert", "expr", "labels", "annotations"],
    "additionalProperties": False,
    "properties": {
        "alert": {"type": "string", "pattern": "^Showdown[A-Z][A-Za-z]+$"},
        "expr": {"type": "string"},
        "for": DURATION,
        "keep_firing_for": DURATION,
        "labels": {**TEXTS, "required": ["severity"]},
        "annotations": {**TEXTS, "required": ["summary", "description"]},
    },
}
GROUP = {
    "type": "object",
    "required": ["name", "rules"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string"},
        "interval": DURATION,
        "rules": {"type": "array", "items": RULE, "minItems": 1},
    },
}
SCHEMA = {
    "type": "object",
    "required": ["groups"],
    "additionalProperties": False,
    "properties": {"groups": {"type": "array", "items": GROUP}},
}
"""What Prometheus accepts as a file of rules (``rulefmt``), and what Showdown's own rules must have besides."""


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DIRECTORY / name).read_text(encoding="utf-8"))
    return found


RULES = [rule for group in read("alerts.yaml")["groups"] for rule in group["rules"]]
each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])


def test_the_rules_have_the_shape_that_prometheus_accepts() -> None:
    assert [error.message for error in Draft202012Validator(SCHEMA).iter_errors(read("alerts.yaml"))] == []
    names = [rule["alert"] for rule in RULES]
    assert len(set(names)) == len(names)
    assert {rule["labels"]["severity"] for rule in RULES} == {"critical", "warning", "info"}


@each_rule
def test_each_expression_is_promql(rule: dict[str, Any]) -> None:
    promql_parser.parse(rule["expr"])


def test_what_is_no_promql_would_be_found() -> None:
    with pytest.raises(ValueError, match="unclosed"):
        promql_parser.parse("sum by (host")
    with pytest.raises(ValueError, match="expected type matrix"):
        promql_parser.parse("rate(showdown_worker_blocks_total)")


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The labels of every metric of a coordinator and of a worker, by name."""
    app = CoordinatorApp(tmp_path_factory.mktemp("coordinator"))
    try:
        app.register()
        app.submit(blocks=5, expect={"fast": "tproxy.requests_per_s >= 0.5 * direct"})
        for _ in range(5):
            app.run_block()
            app.wait(1, present=("h1",))
        set_aside(app.store, Kind.HOST, "h9", "reading it", ValueError("test"), app.now)
        texts = [app.client.get("/metrics", headers=app.user).text]
    finally:
        app.close()
    registry = CollectorRegistry()
    registry.register(busy_collector(tmp_path_factory.mktemp("worker")))
    texts.append(generate_latest(registry).decode())
    found: dict[str, set[str]] = {"up": {"job"}}
    for line in "\n".join(texts).splitlines():
        if match := re.match(r"(?:# TYPE )?(showdown_\w+)(?:\{(.*?)\} | )", line):
            found.setdefault(match[1], set()).update(re.findall(r'(\w+)="', match[2] or ""))
    return found


@each_rule
def test_each_rule_names_metrics_and_labels_that_exist(rule: dict[str, Any], metrics: dict[str, set[str]]) -> None:
    used = re.findall(r"(showdown_\w+|up)\b(?:\{(.*?)\})?", rule["expr"])
    assert used
    for name, selectors in used:
        assert name in metrics, name
        assert set(re.findall(r"(\w+)(?:=|!)", selectors)) <= metrics[name], name
    shown = " ".join(rule["annotations"].values())
    labels = set(re.findall(r"\$labels\.(\w+)", shown))
    known = {"instance", "job"} | set().union(*(metrics[name] for name, _ in used))
    assert labels <= known
    assert set(re.findall(r"\{\{ *\$(\w+)", shown)) <= {"labels", "value"}


def test_every_job_that_a_rule_names_is_scraped() -> None:
    scrape = read("scrape.yaml")
    jobs = {job["job_name"]: job for job in scrape["scrape_configs"]}
    assert {name for rule in RULES for name in re.findall(r'job="(\w+)"', rule["expr"])} == set(jobs)
    assert scrape["rule_files"] == ["alerts.yaml"]
    assert "authorization" in jobs["showdown"]
    assert "authorization" not in jobs["showdown_worker"], "a worker knows no token of users"
    unit = (Path(generate.DIRECTORY).parent / "deploy/systemd/showdown-worker.service").read_text(encoding="utf-8")
    (port,) = re.findall(r"SHOWDOWN_WORKER_METRICS=(\d+)", unit)
    assert jobs["showdown_worker"]["static_configs"] == [{"targets": [f"127.0.0.1:{port}"]}]
