"""Expectations on the command line: lines, exit codes, JUnit XML and Markdown."""

import functools
import io
import json
import os
import re
from xml.etree import ElementTree

import httpx
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

import deploy.cli.remote
from deploy.cli.errors import CommandError, ExitCode
from deploy.cli.files.result_files import ResultFiles
from deploy.cli.main import main
from deploy.cli.output import exit_code_of
from deploy.cli.rest.client import Coordinator
from deploy.cli.shown.render import print_report
from domain.loads.metric import Metric
from domain.reports.gate import Check, Outcome
from domain.reports.report import CampaignReport, CellResult, Family, Verdict
from domain.reports.report_junit import junit_of
from domain.reports.report_markdown import markdown_of
from domain.reports.verdict_words import VerdictWord
from domain.trials.trial import Reason

EXPRESSION = "tproxy.requests_per_s@low >= 0.9 * direct"


def check(outcome, name="keeps", sentence="at low 0.97 × direct [0.95, 0.99], 6 pairs", expression=EXPRESSION):
    return Check(name=name, expression=expression, workload="http_keepalive", level="low", datapath="tproxy",
                 reference="direct", metric=Metric.REQUESTS_PER_S, at_most=False, limit=0.9, outcome=outcome, pairs=6,
                 sentence=sentence)  # fmt: skip


def cell(valid=6, **changes):
    values = {"datapath": "tproxy#2", "function": "steer", "workload": "http_keepalive", "level": "low",
              "load": "closed(8)", "requests_per_s": 31_616.4, "cpu_us_per_request": 59.2,
              "valid_trials": valid, "invalid_trials": 6 - valid}  # fmt: skip
    return CellResult(**(values | changes))


def report(*outcomes, state="complete", valid=6, **changes):
    facts = {"id": "k3f9x2ab", "name": "gate", "state": state, "seed": 7,
             "started_at": "2026-11-29T17:00:00.000+00:00", "ended_at": "2026-11-29T17:01:30.500+00:00"}  # fmt: skip
    values = {"campaign": facts, "results": (cell(valid),), "expectations": tuple(map(check, outcomes))}
    return CampaignReport(**(values | changes))


PASS, FAIL, UNDECIDED = Outcome.PASS, Outcome.FAIL, Outcome.UNDECIDED


def printed(one, width=80):
    out = io.StringIO()
    print_report(one, Console(file=out, width=width))
    return out.getvalue().splitlines()


def test_each_check_is_one_line_and_the_block_comes_last():
    lines = printed(report(PASS, FAIL, UNDECIDED))
    start = next(number for number, line in enumerate(lines) if line.startswith("Expectations"))
    assert lines[start] == (
        "Expectations: 1 pass, 1 fail, 1 undecided (95 % intervals; a fail holds among all 3 together)"
    )
    words = [line.split()[0] for line in lines[start + 1 :]]
    assert words == ["pass", "fail", "undecided"]
    assert lines[start + 1] == f"        pass  keeps: {EXPRESSION}: at low 0.97 × direct [0.95, 0.99], 6 pairs"


def test_a_report_without_expectations_has_no_such_block():
    assert not any("Expectations" in line for line in printed(report()))


@pytest.mark.parametrize(
    ("outcomes", "state", "valid", "code"),
    [
        ([], "complete", 6, ExitCode.OK),
        ([], "complete", 0, ExitCode.INCOMPLETE),
        ([PASS], "complete", 6, ExitCode.OK),
        ([PASS], "complete", 0, ExitCode.OK),
        ([PASS, FAIL, UNDECIDED], "complete", 6, ExitCode.EXPECTATION_FAILED),
        ([PASS, UNDECIDED], "complete", 6, ExitCode.UNDECIDED),
        ([UNDECIDED], "complete", 0, ExitCode.UNDECIDED),
        ([UNDECIDED], "running", 6, ExitCode.UNDECIDED),
        ([UNDECIDED], "failed", 6, ExitCode.FAILED),
        ([UNDECIDED], "cancelled", 6, ExitCode.FAILED),
        ([], "running", 0, ExitCode.OK),
    ],
)
def test_the_exit_code_is_the_gates(outcomes, state, valid, code):
    assert exit_code_of(report(*outcomes, state=state, valid=valid)) is code


def test_the_numbers_are_those_of_the_documents():
    assert (ExitCode.OK, ExitCode.EXPECTATION_FAILED, ExitCode.UNDECIDED) == (0, 1, 6)
    assert len(set(ExitCode)) == len(ExitCode.__members__)


@pytest.fixture
def answer(monkeypatch):
    """Sets the report that a coordinator answers."""
    answers = {}

    def respond(request):
        path = request.url.path.removeprefix("/api/v1/")
        if path == "campaigns/k3f9x2ab/report":
            return httpx.Response(200, json=answers["report"].model_dump(mode="json"))
        progress = {"cell": None, "left_s": None}
        view = {"id": "k3f9x2ab", "name": "gate", "state": "complete", "error": "", "blocks_done": 1,
                "blocks_total": 1, "progress": progress}  # fmt: skip
        return httpx.Response(201 if request.method == "POST" else 200, json=view)

    transport = httpx.MockTransport(respond)
    monkeypatch.setattr(deploy.cli.remote, "Coordinator", functools.partial(Coordinator, transport=transport))
    return lambda one: answers.update(report=one)


def invoke(*arguments):
    return CliRunner(env={"SHOWDOWN_TOKEN": "t"}).invoke(main, [str(argument) for argument in arguments])


@pytest.mark.parametrize(
    ("outcome", "code"), [(PASS, ExitCode.OK), (FAIL, ExitCode.EXPECTATION_FAILED), (UNDECIDED, ExitCode.UNDECIDED)]
)
def test_a_command_writes_both_files_and_ends_like_the_gate(answer, tmp_path, outcome, code):
    answer(report(outcome))
    junit, markdown = tmp_path / "junit.xml", tmp_path / "summary.md"
    markdown.write_text("of the last run")
    result = invoke("report", "k3f9x2ab", "--json", "--junit", junit, "--markdown", markdown)
    assert result.exit_code == code, result.output
    assert json.loads(result.stdout)["expectations"][0]["outcome"] == outcome.value
    assert ElementTree.parse(junit).getroot().get("tests") == "1"
    assert markdown.read_text().startswith(f"## gate · complete · **{outcome.value}**")
    assert sorted(os.listdir(tmp_path)) == ["junit.xml", "summary.md"]
    assert junit.stat().st_mode & 0o777 == 0o644


def test_without_expectations_a_note_says_that_there_are_no_tests(answer, tmp_path):
    answer(report())
    result = invoke("report", "k3f9x2ab", "--junit", tmp_path / "junit.xml")
    assert result.exit_code == ExitCode.OK
    assert "junit.xml has no test cases: the campaign has no expectations" in result.stderr
    assert ElementTree.parse(tmp_path / "junit.xml").getroot().get("tests") == "0"


def test_without_results_no_file_is_written(answer, tmp_path):
    answer(report(UNDECIDED, state="failed", results=(cell(0, invalid_trials=0),)))
    former = tmp_path / "junit.xml"
    former.write_text("of the last run")
    result = invoke("report", "k3f9x2ab", "--junit", former, "--markdown", tmp_path / "new.md")
    assert result.exit_code == ExitCode.FAILED
    assert "is not written: the campaign has no results" in result.stderr
    assert former.read_text() == "of the last run"
    assert os.listdir(tmp_path) == ["junit.xml"]


def test_a_file_that_cannot_be_written_is_found_before_the_campaign_runs(answer, tmp_path):
    result = invoke("report", "k3f9x2ab", "--junit", tmp_path / "none" / "junit.xml")
    assert result.exit_code == ExitCode.USAGE
    assert f"make the directory {tmp_path / 'none'}" in result.stderr
    assert invoke("report", "k3f9x2ab", "--junit", tmp_path).exit_code == ExitCode.USAGE
    toml = tmp_path / "c.toml"
    toml.write_text('name = "c"\ndatapaths = ["direct"]\n[levels]\nlow = "closed(8)"\n')
    result = invoke("submit", toml, "--junit", tmp_path / "junit.xml")
    assert result.exit_code == ExitCode.USAGE
    assert "need --wait" in result.stderr
    answer(report(FAIL))
    assert invoke("submit", toml, "--wait", "--junit", tmp_path / "junit.xml").exit_code == ExitCode.EXPECTATION_FAILED


def test_a_write_that_fails_leaves_the_former_file(tmp_path, monkeypatch):
    path = tmp_path / "junit.xml"
    path.write_text("of the last run")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("deploy.cli.files.result_files.os.replace", full)
    with pytest.raises(CommandError, match="No space left on device"):
        ResultFiles(junit=path).write(report(PASS))
    assert path.read_text() == "of the last run"
    assert os.listdir(tmp_path) == ["junit.xml"]


def test_a_link_keeps_its_target_and_a_pipe_stays_a_pipe(tmp_path):
    target, link, pipe = tmp_path / "target.md", tmp_path / "link.md", tmp_path / "pipe"
    target.write_text("old")
    link.symlink_to(target)
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    files = ResultFiles(junit=pipe, markdown=link)
    files.check()
    files.write(report(PASS))
    assert link.is_symlink()
    assert target.read_text().startswith("## gate")
    assert pipe.is_fifo()
    assert os.read(reader, 100).startswith(b"<?xml")
    os.close(reader)


# What the schema of Jenkins allows (junit-10.xsd).
ATTRIBUTES = {
    "testsuites": {"name", "time", "tests", "failures", "errors", "disabled"},
    "testsuite": {"name", "tests", "failures", "errors", "time", "skipped", "timestamp", "hostname", "id", "package"},
    "testcase": {"name", "classname", "time", "assertions", "status"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "property": {"name", "value"},
    "properties": set(),
    "system-out": set(),
}
CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"properties", "testcase"},
    "testcase": {"failure", "error", "system-out"},
    "properties": {"property"},
}


def test_junit_keeps_its_schema_and_counts():
    root = ElementTree.fromstring(junit_of(report(PASS, FAIL, UNDECIDED, FAIL)))
    for element in root.iter():
        assert set(element.attrib) <= ATTRIBUTES[element.tag], element.tag
        assert {child.tag for child in element} <= CHILDREN.get(element.tag, set()), element.tag
    suite = root[0]
    assert {key: suite.get(key) for key in ("name", "tests", "failures", "errors", "skipped", "time", "timestamp")} == {
        "name": "gate", "tests": "4", "failures": "2", "errors": "1", "skipped": "0", "time": "90.500",
        "timestamp": "2026-11-29T17:00:00",
    }  # fmt: skip
    cases = suite.findall("testcase")
    assert [[child.tag for child in case] for case in cases] == [["system-out"], ["failure"], ["error"], ["failure"]]
    assert cases[1].get("name") == "keeps at low of http_keepalive"
    failure = cases[1][0]
    assert (failure.get("type"), failure.get("message")) == ("fail", check(FAIL).sentence)
    assert failure.text == check(FAIL).line


@given(st.text(max_size=60))
def test_junit_keeps_any_text_that_xml_can_express(text):
    one = report(expectations=(check(FAIL, sentence=text),), campaign={"name": text})
    (failure,) = ElementTree.fromstring(junit_of(one).encode(errors="replace")).iter("failure")
    readable = "".join(character for character in text if character.isprintable())
    assert re.sub(r"\W", "", readable) in re.sub(r"\W", "", failure.text or "")


def rendered(markdown):
    return MarkdownIt("commonmark").enable("table").render(markdown)


def test_markdown_has_checks_verdicts_and_figures():
    sentence = "tproxy costs 1.03 × [1.01, 1.05] | p < 0.001 *among* 6."
    verdict = Verdict(datapath="tproxy", reference="direct", workload="http_keepalive", level="low",
                      metric=Metric.REQUESTS_PER_S, verdict=VerdictWord.WORSE, family=Family.PRIMARY, pairs=6,
                      sentence=sentence)  # fmt: skip
    text = markdown_of(report(PASS, FAIL, verdicts=(verdict,), results=(cell(), cell(0, invalid_for=Reason.STEAL))))
    page = rendered(text)
    assert page.count("<table>") == 2
    assert page.count("<h2>") == 1
    assert f"<code>{EXPRESSION.replace('>', '&gt;')}</code>" in page
    assert "<li>tproxy costs 1.03 × [1.01, 1.05] | p &lt; 0.001 *among* 6.</li>" in page
    assert "<td><code>tproxy#2</code></td>" in page
    assert "<td>31,616</td>" in page
    assert "<td>0 of 6 (steal)</td>" in page
    assert "1 pass, 1 fail, judged on 95 % intervals." in page


@given(st.text(max_size=60))
def test_no_text_breaks_out_of_its_cell(text):
    page = rendered(markdown_of(report(expectations=(check(FAIL, sentence=text, expression=text),))))
    first = page.partition("</table>")[0]
    assert first.count("<tr>") == 2
    assert first.count("<td>") == 3
    tags = set(re.findall(r"<(\w+)", page))
    assert tags <= {"h2", "h3", "p", "strong", "code", "table", "thead", "tbody", "tr", "th", "td"}


def test_a_traceback_and_a_failed_command_are_no_failed_expectation(monkeypatch):
    def broken(*_):
        raise RuntimeError("not foreseen")

    monkeypatch.setattr(deploy.cli.remote, "Coordinator", broken)
    result = invoke("report", "k3f9x2ab")
    assert result.exit_code == ExitCode.INTERNAL
    assert "RuntimeError: not foreseen" in result.stderr
