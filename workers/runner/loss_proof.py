"""Whether a trial's packets were lost as its condition asks, from independent counts. Pure."""

from collections.abc import Iterator, Mapping
from math import sqrt

from domain.trials.evidence import Loss
from domain.trials.figures import TrialFigure
from workers.runner.evidence import Evidence

SIGMAS = 5  # of a binomial count: a sound trial differs by more once in a million
MIN_LEFT_SHARE, SPARE_PACKETS = 0.999, 10  # what is under way while the counts are read
MIN_SENT_SHARE = 0.99  # of the requests, each of which takes a packet


def loss_findings(evidence: Evidence) -> Iterator[str]:
    """What differs from the condition, in sentences; nothing without loss."""
    share = evidence.condition.loss_percent / 100
    if not share:
        return
    least = evidence.connections if evidence.shares_packets else evidence.generated_requests
    for host, loss in (evidence.losses or {}).items():
        expected, spread = loss.sent * share, SIGMAS * sqrt(loss.sent * share * (1 - share))
        if loss.sent < MIN_SENT_SHARE * least:
            yield f"{loss.sent:,} packets of the {host} passed the program that loses them, for {least:,} requests"
        if abs(loss.lost - expected) > spread + 1:
            yield f"{loss.lost:,} of {loss.sent:,} packets of the {host} were lost, not {expected:,.0f} ± {spread:,.0f}"
        if loss.left < MIN_LEFT_SHARE * (loss.sent - loss.lost) - SPARE_PACKETS:
            yield f"{loss.left:,} packets left the {host}, and it did not lose {loss.sent - loss.lost:,}"
    if not evidence.losses:
        yield "nothing counted what was lost"


def loss_figures(losses: Mapping[str, Loss] | None) -> Iterator[TrialFigure]:
    """The lost share of what each host sent."""
    for host, loss in (losses or {}).items():
        if loss.sent:
            value = 100 * loss.lost / loss.sent
            yield TrialFigure(name=f"lost_{host}", title=f"lost of the {host}'s packets", unit="%", value=value)
