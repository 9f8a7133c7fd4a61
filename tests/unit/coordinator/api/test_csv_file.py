"""CSV files for spreadsheets: no text of a worker is a formula there."""

import csv

from coordinator.api.csv_file import csv_lines
from domain.hosts.fingerprints import FingerprintBlocks
from domain.reports.report import CampaignReport
from domain.trials.figures import CellFigure


def test_a_text_that_would_be_a_formula_is_a_text_and_numbers_are_numbers() -> None:
    facts = {"kernel": "=HYPERLINK(A1)", "cpu_model": "@SUM(1)", "commit": "-2+3", "cpus": "2"}
    title = "=cmd|' /C calc'!A0"
    figure = CellFigure(datapath="direct", workload="w", level="low", name="f", title=title, value=-1.5, trials=1)
    report = CampaignReport(
        campaign={}, results=(), verdicts=(), figures=(figure,),
        fingerprints=(FingerprintBlocks(facts=facts, blocks=(0,), analysed=True),),
    )  # fmt: skip
    (row,) = csv.DictReader(list(csv_lines(CellFigure, report, "figures")))
    assert (row["title"], row["value"]) == (f"'{title}", "-1.5")
    assert [row[f"fingerprint_{name}"] for name in facts] == ["'=HYPERLINK(A1)", "'@SUM(1)", "'-2+3", "2"]
    assert not [cell for name, cell in row.items() if cell[:1] in "=+-@" and name != "value" and cell]
