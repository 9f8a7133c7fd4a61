"""What a bench measured reaches its document, between its marks and nowhere else."""

import pytest

from tests import ROOT
from tests.bench import focus
from tests.bench.figures import Findings, Ratio
from tests.bench.published import marks, with_text
from tests.bench.real_time import LABELS, PRIORITIES, table

PLACES = {"bench-probes": "docs/probes/index.md", "bench-real-time": "docs/traffic.md", "bench-focus": "docs/method.md"}


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


def test_the_table_of_focused_blocks_has_a_row_for_each_length() -> None:
    one = {"pairs": 14, "pair_spread": 0.0394, "block_s": 3.27, "error_after_1_s": 0.0712}
    none = {"pairs": 1, "pair_spread": None, "error_after_1_s": None}
    *_, first, last = focus.table({1: one, 2: none}, 8000).splitlines()
    assert first == "| 1 | 14 | 3.9 % | 3.3 s | 0.71 % |"
    assert last == "| 2 | 1 | – | – | – |"
