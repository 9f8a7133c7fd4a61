"""Labels as users write them."""

import pytest

from domain.runs.keeping import KeepingChanges, labels_of_text


def test_labels_are_read_line_by_line() -> None:
    assert labels_of_text(" kernel = 6.12 \n\nplain\n a=b=c") == {"kernel": "6.12", "plain": "", "a": "b=c"}
    with pytest.raises(ValueError, match="'a' is given twice"):
        labels_of_text("a=1\na=2")
    assert KeepingChanges(labels={"a.b/c_d-e": "x y"}).labels == {"a.b/c_d-e": "x y"}
