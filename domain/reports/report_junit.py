"""A campaign's expectations as JUnit XML, which CI servers show as tests. Pure.

A check that fails is a failure. One that is undecided is an error, because a skipped test would look like success.
"""

import re
from datetime import UTC, datetime
from xml.etree import ElementTree

from domain.reports.gate import Check, Outcome
from domain.reports.report import CampaignReport

_ELEMENTS = {Outcome.FAIL: "failure", Outcome.UNDECIDED: "error"}
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0 cannot express the others


def junit_of(report: CampaignReport) -> str:
    """The document, with one test suite for the campaign and one test case for each check."""
    facts = report.campaign
    counts = {
        "tests": f"{len(report.expectations)}",
        "failures": f"{sum(check.outcome is Outcome.FAIL for check in report.expectations)}",
        "errors": f"{sum(check.outcome is Outcome.UNDECIDED for check in report.expectations)}",
        "time": f"{_seconds(facts.get('started_at'), facts.get('ended_at')):.3f}",
    }
    root = ElementTree.Element("testsuites", {"name": "showdown", **counts})
    name = _text(facts.get("name") or "campaign")
    suite = ElementTree.SubElement(root, "testsuite", {"name": name, **counts, "skipped": "0", **_timestamp(facts)})
    properties = ElementTree.SubElement(suite, "properties")
    for key in ("id", "state", "seed"):
        ElementTree.SubElement(properties, "property", {"name": key, "value": _text(facts.get(key))})
    for check in report.expectations:
        _add(suite, name, check)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _add(suite: ElementTree.Element, campaign: str, check: Check) -> None:
    name = f"{check.name} at {check.level} of {check.workload}"
    case = ElementTree.SubElement(suite, "testcase", {"classname": campaign, "name": name, "time": "0"})
    line = _text(check.line)
    if element := _ELEMENTS.get(check.outcome):
        facts = {"message": _text(check.sentence), "type": check.outcome.value}
        ElementTree.SubElement(case, element, facts).text = line
    else:
        ElementTree.SubElement(case, "system-out").text = line


def _timestamp(facts: dict[str, object]) -> dict[str, str]:
    """When the campaign started, without a time zone, as the schema wants it; in UTC."""
    started = _moment(facts.get("started_at"))
    return {"timestamp": started.strftime("%Y-%m-%dT%H:%M:%S")} if started else {}


def _seconds(start: object, end: object) -> float:
    first, last = _moment(start), _moment(end)
    return max(0.0, (last - first).total_seconds()) if first and last else 0.0


def _moment(at: object) -> datetime | None:
    return datetime.fromisoformat(at).astimezone(UTC) if isinstance(at, str) and at else None


def _text(value: object) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", "" if value is None else str(value))
