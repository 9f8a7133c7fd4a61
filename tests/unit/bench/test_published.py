"""What a bench measured reaches its document, between its marks and nowhere else."""

import pytest

from tests import ROOT
from tests.bench.figures import Findings, Ratio
from tests.bench.published import marks, with_text
from tests.bench.real_time import LABELS, PRIORITIES, table

PLACES = {"bench-probes": "docs/probes/index.md", "bench-real-time": "docs/traffic.md"}


def test_only_the_text_between_the_marks_changes() -> None:
    begin, end = marks("bench-x")
    document = f"before\n{begin}\n\nold\n\n{end}\nbehind\n"
    assert with_text(document, "bench-x", "new") == f"before\n{begin}\n\nnew\n\n{end}\nbehind\n"
    with pytest.raises(ValueError, match="no place"):
        with_text(document, "bench-y", "new")


@pytest.mark.parametrize("bench", PLACES)
def test_each_document_has_the_marks(bench: str) -> None:
    assert with_text((ROOT / PLACES[bench]).read_text(), bench, "new")


def test_the_table_of_real_time_priority_has_a_row_for_each_datapath() -> None:
    findings = Findings({f"real_time_p99_us_{label}": Ratio(1.5, 1.2, 1.9) for label in LABELS})
    findings.ratios |= {f"p99_us_tproxy_over_direct_{name}": Ratio(2, 1.5, 2.5) for name in PRIORITIES}
    *_, direct, tproxy, _, _ = table(findings, LABELS, 6000, 12).splitlines()
    assert direct == "| `direct` | – | 1.500 [1.200, 1.900] | – | – | – |"
    assert tproxy.endswith("| 2.000 [1.500, 2.500] | 2.000 [1.500, 2.500] |")
