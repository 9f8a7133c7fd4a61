"""The verdicts of a report as text: primary ones, prices across functions, and exploratory findings."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from domain.loads.metric import Metric
from domain.reports.report import CampaignReport, Family, Price, Verdict, too_few
from domain.reports.verdict_words import VerdictWord
from domain.values.texts import number_text

STYLES = {
    VerdictWord.BETTER: "green",
    VerdictWord.WORSE: "red",
    VerdictWord.SAME: "cyan",
    VerdictWord.UNCLEAR: "yellow",
    VerdictWord.TOO_FEW: "yellow",
    VerdictWord.NONE: "",
}
_PRICED = {
    Metric.CPU_US_PER_REQUEST: "CPU µs/request",
    Metric.LATENCY_P50_US: "latency p50 µs",
    Metric.LATENCY_P99_US: "latency p99 µs",
}


def print_verdicts(report: CampaignReport, console: Console) -> None:
    """Primary verdicts in full; of the exploratory comparisons those with a word, and the number of the others."""
    scope = f"Scope: {report.answer.scope.text}" if report.answer else ""
    _print_primary([one for one in report.verdicts if one.family is Family.PRIMARY], scope, console)
    _print_prices(report.prices, scope, console)
    _print_exploratory([one for one in report.verdicts if one.family is Family.EXPLORATORY], scope, console)


def style_of(verdict: Verdict) -> str:
    """The colour of a verdict's word: only primary verdicts have one."""
    return STYLES[verdict.verdict] if verdict.family is Family.PRIMARY else ""


def _print_primary(verdicts: Sequence[Verdict], scope: str, console: Console) -> None:
    if not verdicts:
        return
    heading = "[bold]Verdicts[/bold] (primary comparisons; 95 % confidence for all together)"
    _print_heading(heading, scope, console)
    for verdict in verdicts:
        if verdict.has_enough_pairs:
            _print_sentence(verdict.title, style_of(verdict), verdict.sentence, console)
    if waiting := too_few(verdicts):
        _print_sentence(VerdictWord.TOO_FEW.text, "yellow", waiting, console)


def _print_prices(prices: Sequence[Price], scope: str, console: Console) -> None:
    """Across functions nothing is faster: what one costs over the other, in µs."""
    if not prices:
        return
    over = ", ".join(dict.fromkeys(price.over for price in prices))
    heading = f"\n[bold]Price over {over}[/bold], with the 95 % interval of each figure alone"
    _print_heading(heading, scope, console)
    several = len({price.workload for price in prices}) > 1
    bases = len({price.over for price in prices}) > 1
    for metric, title in _PRICED.items():
        table = Table(box=None, padding=(0, 2, 0, 0), title=title, title_justify="left", title_style="")
        table.add_column("", no_wrap=True)
        for heading in ("µs", "95 % interval", "pairs"):
            table.add_column(heading, justify="right", no_wrap=True)
        for price in prices:
            if price.metric is metric:
                where = f"{price.level} of {price.workload}" if several else price.level
                us, low, high = (number_text(v, price.low_us, price.high_us)
                                 for v in (price.us, price.low_us, price.high_us))  # fmt: skip
                what = f"{price.datapath} over {price.over}" if bases else price.datapath
                table.add_row(f"  {where}, {what}", us, f"{low} – {high}", f"{price.pairs}")
        if table.row_count:
            console.print(table)


def _print_exploratory(verdicts: Sequence[Verdict], scope: str, console: Console) -> None:
    enough = [verdict for verdict in verdicts if verdict.has_enough_pairs]
    found = [verdict for verdict in enough if verdict.decided]
    if not verdicts or all(verdict.verdict is VerdictWord.NONE for verdict in verdicts):  # before a look
        return
    heading = "\n[bold]Exploratory[/bold] (on average up to 5 % of such findings are chance)"
    _print_heading(heading, scope, console)
    for verdict in found:
        _print_sentence("", "dim", verdict.sentence, console)
    open_ones = len(enough) - len(found)
    if open_ones:
        comparisons = "comparison is" if open_ones == 1 else "comparisons are"
        _print_sentence("", "dim", f"{open_ones} {comparisons} unclear; --json has every interval.", console)
    if waiting := too_few(verdicts):
        _print_sentence("", "dim", waiting, console)


def _print_heading(heading: str, scope: str, console: Console) -> None:
    """A list's heading, and where and when it holds."""
    console.print(heading, highlight=False)
    if scope:
        console.print(escape(scope), highlight=False)


def _print_sentence(word: str, style: str, sentence: str, console: Console) -> None:
    # The word has its own column; the sentence's further lines align below its first.
    row = Table.grid(padding=0)
    row.add_column(no_wrap=True)
    row.add_column()
    row.add_row(f"[{style}]{word:>13}[/{style}]  " if style else f"{word:>13}  ", escape(sentence))
    console.print(row)
