"""The answer on one screen: at most 40 lines of 100 columns for any campaign, and every line of it is needed."""

import errno
import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from deploy.cli.files.kept import MOST_KEPT, keep, read_kept
from deploy.cli.shown.answer import MOST_CHECKS, MOST_LINES, MOST_WIDTH, print_answer
from deploy.cli.shown.render import print_report
from domain.hosts.fingerprints import FingerprintBlocks
from domain.loads.metric import Metric
from domain.reports.answer import Answer, Column, Entry, Row, Scope, Statement, Topic
from domain.reports.gate import Check, Outcome
from domain.reports.report import CampaignReport
from domain.reports.report_markdown import markdown_of
from domain.trials.failures import InvalidTrial
from domain.trials.trial import Reason
from tests.simulated import a_campaign, report_of

FACTS = {"id": "k3f9x2ab", "name": "showdown", "state": "complete", "seed": 42}
REST = "The rest: showdown report k3f9x2ab --full"


def printed(report, width=200, *, terminal=True):
    out = io.StringIO()
    print_answer(report, Console(file=out, width=width, force_terminal=terminal, color_system=None), rest=REST)
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.fixture(scope="module")
def found():
    report = report_of(a_campaign(8), np.random.default_rng(3), "normal", {"tproxy": 2.0, "ebpf_redirect": 0.9})
    return report.model_copy(update={"campaign": report.campaign | FACTS})


def answer(rows=4, columns=9, sentence="A sentence.", **changes):
    entries = tuple(Entry(value=1.0, text="12,345.6") for _ in range(columns))
    values = {
        "statements": [Statement(topic=topic, sentence=sentence) for topic in Topic],
        "columns": [Column(level=f"level_{n}", load="64 connections", figure="requests/s") for n in range(columns)],
        "rows": [Row(name=f"datapath_{n}", workload="w", entries=entries) for n in range(rows)],
        "scope": Scope(text="this boot of vm"),
    }
    return CampaignReport(campaign=FACTS, answer=Answer(**(values | changes)))


@pytest.mark.parametrize("terminal", [True, False])
def test_the_reference_campaign_fits_on_one_screen(found, terminal):
    lines = printed(found, 80 if not terminal else 200, terminal=terminal)
    assert len(lines) <= MOST_LINES
    assert max(map(len, lines)) <= MOST_WIDTH
    text = " ".join(" ".join(lines).split())
    for statement in found.answer.statements:
        assert statement.sentence in text
    for row in found.answer.rows:
        [line] = [line for line in lines if line.startswith(f"{row.name}  ")]
        texts = [e.text + "*" * e.noted for e in row.entries if e.text]
        assert line.removeprefix(row.name).split() == texts
    assert "Scope: host one." in lines
    assert lines[-1] == REST


@pytest.mark.parametrize(("rows", "columns", "words"), [(300, 9, 5), (4, 1, 150), (60, 9, 90)])
def test_any_campaign_fits(rows, columns, words):
    lines = printed(answer(rows, columns, "word " * words))
    assert len(lines) <= MOST_LINES
    assert max(map(len, lines)) <= MOST_WIDTH
    assert lines[-1] == REST


def test_rows_that_find_no_room_are_counted():
    lines = printed(answer(rows=300))
    [left] = [line for line in lines if line.startswith("…")]
    shown = sum(line.startswith("datapath_") for line in lines)
    assert left == f"… and {300 - shown} more rows in the whole report"
    assert not any(line.startswith("…") for line in printed(answer(rows=20)))


def test_levels_that_find_no_room_are_named(found):
    lines = printed(answer(columns=9))
    shown = [name for line in lines for name in line.split() if name.startswith("level_")]
    assert 0 < len(set(shown) & {f"level_{n}" for n in range(9)}) < 9
    left = next(line for line in lines if "no room" in line)
    assert left == "no room for the levels level_5, level_6, level_7, level_8"
    assert not any("no room" in line for line in printed(found))


def test_what_is_missing_is_said():
    report = answer(statements=(), missing="No answer yet: why.", further="3 further ones.", note="from few blocks")
    report = report.model_copy(update={"left_out": "Blocks 3 are left out."})
    text = "\n".join(printed(report))
    for line in ("No answer yet: why.", "3 further ones.", "* from few blocks", "Blocks 3 are left out."):
        assert line in text


def test_invalid_trials_are_counted_and_overloaded_ones_are_a_result():
    def trial(*reasons):
        return InvalidTrial(trial="t", block=1, attempt=1, datapath="a", workload="w", level="l", reasons=reasons)

    def lines(*trials):
        return [line for line in printed(answer().model_copy(update={"invalid": trials})) if "invalid" in line]

    overloaded, stolen = trial(Reason.OVERLOADED), trial(Reason.OVERLOADED, Reason.STEAL)
    assert lines(overloaded, overloaded) == []
    assert lines(overloaded, stolen) == ["1 invalid trial is not analysed; the whole report says why."]


def test_a_report_of_an_older_coordinator_is_printed_whole(found):
    assert "Verdicts" in "\n".join(printed(found.model_copy(update={"answer": None})))


def test_each_list_of_verdicts_names_its_scope_and_the_fingerprint_is_below(found):
    blocks = [
        FingerprintBlocks(id="0123456789ab", facts={"kernel": "6.18 [x]", "cpus": "2"}, blocks=(0, 1), analysed=True),
        FingerprintBlocks(id="ba9876543210", facts={"kernel": "6.19"}, blocks=(2,), analysed=False),
    ]
    out = io.StringIO()
    console = Console(file=out, width=100, no_color=True)
    print_report(found.model_copy(update={"fingerprints": blocks}), console)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    for heading in ("Verdicts (", "Price over", "Exploratory ("):
        at = next(number for number, line in enumerate(lines) if line.startswith(heading))
        assert lines[at + 1] == "Scope: host one"
    at = lines.index("Fingerprint 0123456789ab (2 blocks)")
    assert lines[at + 1 : at + 3] == ["  cpus    2", "  kernel  6.18 [x]"]
    assert "Fingerprint ba9876543210 (1 block, not analysed)" in lines


def test_kept_reports_are_read_back_and_the_oldest_removed(found, tmp_path, monkeypatch):
    monkeypatch.setenv("SHOWDOWN_STATE_DIR", str(tmp_path))
    paths = [keep(answer().model_copy(update={"campaign": FACTS | {"id": f"id{n}"}})) for n in range(MOST_KEPT + 2)]
    assert [path.exists() for path in paths].count(True) == MOST_KEPT
    assert paths[-1].exists()
    assert read_kept(keep(found)) == found


def test_a_full_disk_leaves_no_half_of_a_report(found, tmp_path, monkeypatch):
    monkeypatch.setenv("SHOWDOWN_STATE_DIR", str(tmp_path))
    path = keep(found)

    def half(self, text, **options):
        self.write_bytes(text.encode()[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(OSError, match="No space"):
        keep(found)
    assert list(path.parent.iterdir()) == [path]
    assert read_kept(path) == found


def check(outcome, number):
    return Check(
        name=f"rule_{number}", expression="a.p50_us <= 5", workload="w", level="l", datapath="a",
        metric=Metric.LATENCY_P50_US, at_most=True, limit=5, outcome=outcome, sentence="measured 6 µs. " * 20,
    )  # fmt: skip


def test_expectations_that_do_not_pass_have_a_line_each():
    outcomes = [Outcome.PASS, Outcome.FAIL, *[Outcome.UNDECIDED] * MOST_CHECKS]
    checks = [check(outcome, number) for number, outcome in enumerate(outcomes)]
    lines = printed(answer(rows=300).model_copy(update={"expectations": checks}))
    at = lines.index(f"Expectations: 1 pass, 1 fail, {MOST_CHECKS} undecided")
    assert lines[at + 1].startswith("  fail  rule_1 measured 6 µs.")
    assert lines[at + MOST_CHECKS + 1] == "  and 1 more that do not pass"
    assert len(lines) <= MOST_LINES
    assert max(map(len, lines)) <= MOST_WIDTH


def test_the_markdown_summary_has_the_same_words(found):
    text = markdown_of(found).replace("\\", "")
    for statement in found.answer.statements:
        assert f"- **{statement.topic}**: {statement.sentence}" in text
    assert "Scope of all results: host one." in text
