"""The words of comparisons and reasons: one vocabulary, which also reads what earlier versions stored."""

import pytest

from domain.reports.report import Verdict
from domain.reports.verdict_words import CarryingWord, VerdictWord
from domain.trials.reasons import EXPLANATIONS
from domain.trials.trial import Reason


@pytest.mark.parametrize(
    ("former", "word"), [("faster", "better"), ("slower", "worse"), ("equivalent", "same"), ("inconclusive", "unclear")]
)
def test_reports_of_earlier_versions_still_load(former: str, word: str) -> None:
    stored = {"datapath": "a", "reference": "b", "workload": "http", "level": "low", "metric": "requests_per_s",
              "verdict": former, "pairs": 6, "sentence": ""}  # fmt: skip
    assert Verdict.model_validate(stored).model_dump(mode="json")["verdict"] == word
    assert CarryingWord("undecided") is CarryingWord.UNCLEAR
    with pytest.raises(ValueError, match="is not a valid"):
        VerdictWord("quicker")


def test_every_word_and_reason_is_explained() -> None:
    assert all(word.meaning for word in VerdictWord)
    assert set(EXPLANATIONS) == set(Reason)
    assert all(all(text.endswith((".", "?")) for text in one) for one in EXPLANATIONS.values())
