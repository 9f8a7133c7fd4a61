"""The p99 of trials of a second: what its geometric mean says of two hosts whose stalls differ in length."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

RATE_PER_S, PAIRS, CAMPAIGNS, LONG_S = 10_000, 25, 12, 200
STALLS_PER_S, STALL_MS, LONGER = 2, 8.0, 1.5


class Seen(NamedTuple):
    ratio: float
    covers: bool
    is_opposite: bool  # its interval excludes 1 on the wrong side


def a_second(rng: np.random.Generator, longer: float) -> NDArray[np.float64]:
    """Latencies in ms of one second of an open loop: what is sent in a stall waits for its end."""
    at = rng.random(RATE_PER_S)
    latency = 0.2 * rng.lognormal(0, 0.25, RATE_PER_S)
    for _ in range(rng.poisson(STALLS_PER_S)):
        begin, length = rng.random(), rng.exponential(STALL_MS * longer) / 1000
        waits = (at >= begin) & (at < begin + length)
        latency[waits] += 1000 * (begin + length - at[waits])
    return latency


def true_ratio() -> float:
    """Of the p99 of all requests of a long time, of which a trial sees a second."""
    rng = np.random.default_rng(9)
    long, short = (
        np.percentile(np.concatenate([a_second(rng, longer) for _ in range(LONG_S)]), 99) for longer in (LONGER, 1.0)
    )
    return float(long / short)


def a_campaign(rng: np.random.Generator, true: float) -> Seen:
    logs = [
        np.log(np.percentile(a_second(rng, LONGER), 99) / np.percentile(a_second(rng, 1.0), 99)) for _ in range(PAIRS)
    ]
    mean, error = float(np.mean(logs)), float(np.std(logs, ddof=1)) / PAIRS**0.5
    half = float(student.ppf(0.975, PAIRS - 1)) * error
    return Seen(float(np.exp(mean)), mean - half <= np.log(true) <= mean + half, mean + half < 0)


def test_two_stalls_a_trial_give_a_p99_ratio_of_the_right_sign_and_size() -> None:
    """With as few episodes, the mean of p99.9 was off by a factor of four, and of the wrong sign in the worst case."""
    rng, true = np.random.default_rng(1), true_ratio()
    seen = [a_campaign(rng, true) for _ in range(CAMPAIGNS)]
    assert 2 < true < 3, "a p99 lies where few stalls decide, so it grows by more than they do"
    assert 0.7 * true < float(np.exp(np.mean(np.log([one.ratio for one in seen])))) < 1.1 * true
    assert not any(one.is_opposite for one in seen)
    assert sum(one.covers for one in seen) >= 0.75 * CAMPAIGNS
