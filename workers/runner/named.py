"""Requests that generator, datapath and origin count by name: do they agree? Pure.

A gateway reports per API key what it received and what its configuration limits, and per model what it passed on. The
generator counts the same from the outside, so a gateway that ignores its rules is found.
"""

from collections.abc import Callable, Mapping

from domain.trials.trial import Reason

MOST_SHOWN = 5  # differing names in one finding


def judge_named(
    sent: Mapping[str, int],
    by_datapath: Mapping[str, int] | None,
    by_origin: Mapping[str, int],
    *,
    failed: int,
    repeated: int,
    add: Callable[[Reason, str], None],
) -> None:
    """Each count must be the generator's, but for ``failed`` requests, whose way is unknown.

    An origin also counts the requests that the datapath sent ``repeated``ly.
    """
    for who, counts, surplus in (("datapath", by_datapath or {}, 0), ("origin", by_origin, repeated)):
        apart = [
            f"{name} {count:,}, not {sent.get(name, 0):,}"
            for name, count in sorted(counts.items())
            if not -failed <= count - sent.get(name, 0) <= failed + surplus
        ]
        if apart:
            more = f" and {len(apart) - MOST_SHOWN} more" if len(apart) > MOST_SHOWN else ""
            add(Reason.COUNTS_MISMATCH, f"the {who} counted {'; '.join(apart[:MOST_SHOWN])}{more}")
