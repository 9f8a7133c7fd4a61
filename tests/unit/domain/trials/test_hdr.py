"""Our buckets and texts are those of HdrHistogram's own library."""

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.trials.hdr import Form, buckets_of, pack, unpack
from domain.trials.histogram import HIGHEST_NS, LatencyHistogram

FORMS = [Form(10, HIGHEST_NS, 3), Form(1, HIGHEST_NS, 3), Form(1, HIGHEST_NS, 2)]
values = st.dictionaries(
    st.one_of(st.integers(0, 5_000), st.integers(0, HIGHEST_NS)), st.integers(1, 1 << 40), max_size=40
)


def of_library(form: Form, counts: dict[int, int]) -> HdrHistogram:
    found = HdrHistogram(*form)
    for value, count in counts.items():
        assert found.record_value(value, count)
    return found


def filled(library: HdrHistogram) -> dict[int, int]:
    return {index: count for index, count in enumerate(library.counts) if count}


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=25, deadline=None)
@given(counts=values)
def test_buckets_and_texts_are_the_library_s(form: Form, counts: dict[int, int]) -> None:
    library = of_library(form, counts)
    at = np.array(list(counts), dtype=np.int64)
    ours = buckets_of(form.indexes(at), np.array(list(counts.values()), dtype=np.int64))
    assert dict(zip(ours.indexes.tolist(), ours.counts.tolist(), strict=True)) == filled(library)
    assert [form.index_of(value) for value in counts] == form.indexes(at).tolist()
    assert form.length == library.counts_len
    assert form.starts_ns(ours.indexes).tolist() == [library.get_value_from_index(i) for i in ours.indexes.tolist()]
    read = HdrHistogram.decode(pack(form, ours))
    assert filled(read) == filled(library)
    assert read.get_total_count() == sum(counts.values())
    for text in (pack(form, ours), library.encode().decode()):
        found_form, found = unpack(text, FORMS)
        assert found_form == form
        assert found.indexes.tolist() == ours.indexes.tolist()
        assert found.counts.tolist() == ours.counts.tolist()


@settings(max_examples=25, deadline=None)
@given(counts=values.filter(bool), percentile=st.floats(0, 100))
def test_percentiles_are_the_library_s(counts: dict[int, int], percentile: float) -> None:
    for form in FORMS:
        library = of_library(form, counts)
        ours = LatencyHistogram.decode(library.encode().decode())
        assert ours.percentile_ns(percentile) == library.get_value_at_percentile(percentile)


@settings(max_examples=10, deadline=None)
@given(one=values, other=values)
def test_sums_of_different_forms_are_the_library_s(one: dict[int, int], other: dict[int, int]) -> None:
    """The generator's buckets begin at 1 ns, ours at 8 ns."""
    whole = LatencyHistogram()
    library = HdrHistogram(*FORMS[0])
    for form, counts in zip(FORMS[1:], (one, other), strict=True):
        added = of_library(form, counts)
        whole.add(LatencyHistogram.decode(added.encode().decode()))
        library.add(added)
    assert filled(HdrHistogram.decode(whole.encode())) == filled(library)
