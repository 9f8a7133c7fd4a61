"""The words for what a comparison of datapaths or campaigns found.

They are the same on pages, in commands, files, REST and telemetry.
"""

from collections.abc import Mapping
from typing import Any, Self

from domain.values.answer_words import AnswerWord

_FORMER: Mapping[str, str] = {
    "faster": "better",
    "slower": "worse",
    "equivalent": "same",
    "inconclusive": "unclear",
    "undecided": "unclear",
}
"""The words of reports that earlier versions stored."""


class VerdictWord(AnswerWord):
    """A verdict in one word; "better" is more of a rate, or less of a cost or time."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "same"
    UNCLEAR = "unclear"
    TOO_FEW = "too_few_pairs"
    NONE = "none"

    @classmethod
    def _missing_(cls, value: Any) -> Self | None:
        return cls(_FORMER[value]) if value in _FORMER else super()._missing_(value)

    @classmethod
    def neutral(cls) -> Self:
        """The word that claims nothing."""
        return cls("none")

    @property
    def text(self) -> str:
        """The word as shown to users."""
        return "no verdict" if self is VerdictWord.NONE else self.value.replace("_", " ")

    @property
    def of_protocol_2(self) -> str:
        """The word as workers of protocol 2 know it; a new value would need a new major version."""
        return next(
            (old for old, new in _FORMER.items() if new == self), "inconclusive" if self is self.TOO_FEW else self
        )

    @property
    def meaning(self) -> str:
        """What the word says, for documents and tooltips."""
        return _MEANINGS[self]

    @property
    def is_finding(self) -> bool:
        """True if the word says how the two compare."""
        return self in (VerdictWord.BETTER, VerdictWord.WORSE, VerdictWord.SAME)


class CarryingWord(AnswerWord):
    """What Fisher's exact test says about the first of two datapaths at one load."""

    CARRIES = "carries"
    DOES_NOT_CARRY = "does not carry"
    UNCLEAR = "unclear"

    @classmethod
    def _missing_(cls, value: Any) -> Self | None:
        return cls(_FORMER[value]) if value in _FORMER else super()._missing_(value)

    @classmethod
    def neutral(cls) -> Self:
        """The word that claims nothing."""
        return cls("unclear")


_MEANINGS: Mapping[VerdictWord, str] = {
    VerdictWord.BETTER: "The adjusted p is below 0.05, and the datapath is better: more of a rate, or less of a cost "
    "or time.",
    VerdictWord.WORSE: "The adjusted p is below 0.05, and the datapath is worse.",
    VerdictWord.SAME: "The whole interval is within the equivalence margin, 1/(1 + m) to 1 + m. A small difference may "
    "be proven; it was declared not to matter.",
    VerdictWord.UNCLEAR: 'None of these. The sentence says what the data fit: "anything from −6 % to +5 %".',
    VerdictWord.TOO_FEW: "Fewer than five pairs of valid trials, so there is no ratio and no interval.",
    VerdictWord.NONE: "The ratio is shown and not judged: the datapaths have different functions, another figure says "
    "the same, or the next look is still to come.",
}
