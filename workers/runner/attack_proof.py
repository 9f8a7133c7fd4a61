"""Findings about a trial's attack, from independent counts: the sender's, the filter's, and what came back. Pure."""

from collections.abc import Iterator

from domain.trials.evidence import Attack
from domain.trials.figures import TrialFigure
from domain.trials.trial import Reason


def attack_findings(attack: Attack | None, blocked: int | None) -> Iterator[tuple[Reason, str]]:
    """``blocked`` is what the datapath dropped because of its list; ``None`` if it has none, and blocks nothing."""
    if blocked is None:
        return
    sent = attack.sent if attack else 0
    if attack and not sent:
        yield Reason.LET_THROUGH, "the attack sent no packet, so that nothing proves the filter"
    if blocked != sent:
        yield Reason.LET_THROUGH, f"the filter blocked {blocked:,} packets, and the attack sent {sent:,}"
    if attack and attack.answered:
        yield Reason.LET_THROUGH, f"{attack.answered:,} packets answered the attack's: they got through the filter"


def attack_figures(attack: Attack | None, blocked: int | None, seconds: float) -> Iterator[TrialFigure]:
    """What was sent and blocked per second of the attack; nothing without one."""
    if attack is None or not seconds:
        return
    yield TrialFigure(name="attack_per_s", title="attack", unit="packets/s", value=attack.sent / seconds)
    if blocked is not None:
        yield TrialFigure(name="blocked_per_s", title="blocked", unit="packets/s", value=blocked / seconds)
    yield TrialFigure(name="let_through", title="answers to the attack", unit="packets", value=attack.answered)
