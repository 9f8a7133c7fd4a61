"""Figures as text: as many digits as the interval deserves."""

import subprocess

import pytest

from domain.values.texts import (
    count_per_s_text,
    error_text,
    estimate_text,
    fit_text,
    listed,
    number_text,
    p_text,
    ratio_text,
    significant_text,
    time_text,
)


@pytest.mark.parametrize(
    ("figures", "text"),
    [
        ((0.0289, 0.0127, 0.0658), "0.029 [0.013, 0.066]"),  # a figure known to a factor of five has two digits
        ((0.9731, 0.9532, 0.9939), "0.973 [0.953, 0.994]"),
        ((1.02, 0.94, 1.11), "1.02 [0.94, 1.11]"),
        ((2.1, 0.9, 4.9), "2.1 [0.9, 4.9]"),
        ((21.63, 20.91, 22.34), "21.6 [20.9, 22.3]"),
        ((12_345.6, 11_000.0, 13_900.0), "12,300 [11,000, 13,900]"),  # nobody knows its last two digits
        ((0.5, 0.5, 0.5), "0.50 [0.50, 0.50]"),
        ((1.0, 0.9999, 1.0001), "1.0000 [0.9999, 1.0001]"),
        ((1.342, 1.0025, 1.797), "1.342 [1.002, 1.797]"),  # an end that excludes 1 is not rounded to it
        ((0.98, 0.958, 1.0031), "0.980 [0.958, 1.003]"),
        ((1.0, 0.04, 20.0), "1.00 [0.04, 20.00]"),  # nor to 0
        ((3300.0, 3300.0, 3300.0000001), "3,300 [3,300, 3,300]"),
        ((1_300_000.0, 900_000.0, 2_100_000.0), "1,300,000 [900,000, 2,100,000]"),
        ((1e12, 1e9, 1e300), "1e+12 [1e+09, 1e+300]"),
    ],
)
def test_a_ratio_has_the_digits_that_its_interval_deserves(figures: tuple[float, float, float], text: str) -> None:
    assert ratio_text(*figures) == text


def test_a_difference_may_be_negative_and_is_never_less_than_nothing() -> None:
    assert number_text(-3.14, -5.2, -1.1) == "−3.1"
    assert number_text(-0.2, -5.1, 4.6) == "0"
    assert estimate_text(3_678.6, -566.2, 7_923.5) == "3,700 [−600, 7,900]"
    assert estimate_text(-32.0, -63.2, -0.4) == "−32.0 [−63.2, −0.4]", "its sign is known"
    assert estimate_text(0.0, 0.0, 0.0) == "0", "without scatter there is no interval"


def test_a_rate_has_no_decimals_and_the_digits_that_its_bounds_deserve() -> None:
    assert count_per_s_text(11_644.2, 10_058.0, 13_605.0) == "11,600"
    assert count_per_s_text(30_002.0, 30_000.0, 30_004.0) == "30,002"


@pytest.mark.parametrize(
    ("value", "text"),
    [(4_026.4, "4,030"), (207_126.5, "207,000"), (1.0, "1"), (0.966005, "0.966"), (0.00625, "0.00625"),
     (0.0, "0"), (-2.3e-13, "0"), (-465.92, "−466"), (999.96, "1,000")],
)  # fmt: skip
def test_a_figure_without_an_interval_has_three_digits_in_full(value: float, text: str) -> None:
    assert significant_text(value) == text


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.94, 1.05, "−6 % to +5 %"),
        (0.876, 1.234, "−12 % to +23 %"),
        (0.9951, 1.0, "−0.49 % to 0.00 %"),
        (0.958, 1.0031, "−4.2 % to +0.3 %"),
        (0.4, 1.2, "0.4 × to 1.2 ×"),
        (0.9, 3.17, "0.9 × to 3.2 ×"),
        (0.7469, 2.04, "0.7 × to 2.0 ×"),
    ],
)
def test_what_the_data_fit_is_a_range_in_percent_or_in_factors(low: float, high: float, text: str) -> None:
    assert fit_text(low, high) == text


def test_a_small_p_has_no_digits() -> None:
    assert [p_text(p) for p in (1e-9, 0.00612, 0.05, 1.0)] == ["< 0.001", "0.0061", "0.05", "1"]


@pytest.mark.parametrize(
    ("us", "text"),
    [(0.0, "0 µs"), (0.25, "0.25 µs"), (94.53, "94.5 µs"), (999.4, "999 µs"), (1234.0, "1.23 ms"),
     (110_952.0, "111 ms"), (2_400_000.0, "2.40 s")],
)  # fmt: skip
def test_a_time_has_the_unit_that_suits_it(us: float, text: str) -> None:
    assert time_text(us) == text


def test_errors_are_reported_without_python() -> None:
    assert error_text(OSError(2, "No such file or directory", "/sys/a")) == "No such file or directory: /sys/a"
    assert error_text(TimeoutError("timed out")) == "no answer in time"
    assert error_text(RuntimeError(95, "Operation not supported")) == "Operation not supported"
    assert error_text(RuntimeError("plain words")) == "plain words"
    assert error_text(RuntimeError()) == "RuntimeError"
    assert error_text(RuntimeError("[Errno 111] Connection refused")) == "Connection refused"
    assert error_text(KeyError("slices")) == "'slices' is missing"
    assert error_text(subprocess.TimeoutExpired(["git", "describe"], 5)) == "git did not end within 5 s"
    failed = subprocess.CalledProcessError(1, ["nft", "-f"], stderr="no such table\n")
    assert error_text(failed) == "nft ended with status 1: no such table"


@pytest.mark.parametrize(
    ("names", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_names_are_listed_as_in_a_sentence(names: list[str], text: str) -> None:
    assert listed(names) == text
