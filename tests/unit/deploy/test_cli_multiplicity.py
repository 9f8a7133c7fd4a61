"""The printed report says which words take the number of comparisons into account, and shows the others plainly."""

import io

from rich.console import Console

from deploy.cli.shown.render import print_report
from domain.reports.report import Family
from tests.unit.deploy.test_cli_render import printed, reference_report, verdict


def coloured(report):
    """The report with the terminal's codes, of which ``2`` is dim, ``32`` green and ``31`` red."""
    out = io.StringIO()
    print_report(
        report, Console(file=out, width=200, force_terminal=True, color_system="standard", legacy_windows=False)
    )
    return out.getvalue()


def test_ratios_in_the_table_say_that_only_verdicts_count_the_comparisons():
    lines = " ".join(printed(reference_report()))
    assert "×: figure ÷ figure, with the 95 % interval of that pair alone" in lines
    assert "Only the verdicts below take into account how many comparisons there are." in lines


def test_an_exploratory_finding_has_no_colour_of_a_verdict_and_says_what_it_is():
    found = verdict("direct").model_copy(update={"family": Family.EXPLORATORY, "sentence": "exploratory: a finding."})
    text = coloured(reference_report(verdicts=[verdict("ebpf_redirect"), found]))
    primary, _, exploratory = text.partition("Exploratory")
    assert "\x1b[32m" in primary.rpartition("ebpf_redirect is better")[0][-60:], "a primary word is green"
    assert "on average up to 5 % of such findings are chance" in exploratory
    line = next(one for one in exploratory.splitlines() if "a finding." in one)
    assert "\x1b[32m" not in line
    assert "\x1b[31m" not in line
