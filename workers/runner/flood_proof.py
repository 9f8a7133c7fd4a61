"""Findings about a trial's flood of SYNs, from independent counts, and its figures. Pure.

The sender counts what it sent, and the client's kernel what came back. The server's kernel counts what its listeners
dropped or answered with a cookie. The datapath counts what it judged.
"""

from collections.abc import Iterator

from domain.trials.counters import Counters
from domain.trials.evidence import Attack, Handshakes
from domain.trials.figures import TrialFigure
from domain.trials.trial import Reason

LOST_SHARE = 0.02  # of the flood's SYNs: a full queue of a device drops some, uncounted
SPARE_SYNS = 256  # of the lab's own clients and probes


def flood_findings(attack: Attack | None, counters: Counters, opened: int) -> Iterator[tuple[Reason, str]]:
    """``opened`` are the clients' own connections."""
    if attack is None or attack.handshakes is None:
        return
    sent, of_kernel = attack.sent, attack.handshakes
    if not sent:
        yield Reason.BYPASSED, "the flood sent no SYN, so that nothing proves the defence"
    if counters.syns is not None:
        most = (sent + opened + of_kernel.resent) * (1 + LOST_SHARE) + SPARE_SYNS
        if not (1 - LOST_SHARE) * (sent + opened) <= counters.syns <= most:
            detail = f"the defence counted {counters.syns:,} SYNs: {sent:,} of the flood, {opened:,} of the clients"
            yield Reason.BYPASSED, f"{detail}, and {of_kernel.resent:,} that they sent again"
    ended = fates(attack, counters, of_kernel)
    if sum(ended.values()) < (1 - LOST_SHARE) * sent:
        texts = ", ".join(f"{count:,} {fate}" for fate, count in ended.items())
        yield Reason.BYPASSED, f"of {sent:,} SYNs of the flood, {texts}: the others are not accounted for"


def fates(attack: Attack, counters: Counters, of_kernel: Handshakes) -> dict[str, int]:
    """What became of the flood's SYNs; the few of clients that were dropped are among them."""
    return {
        "were answered": max(0, attack.answered - of_kernel.repeated),
        "were dropped by the server": of_kernel.dropped,
        "were dropped by the datapath": counters.denied_packets or 0,
    }


def flood_figures(attack: Attack | None, counters: Counters, opened: int, seconds: float) -> Iterator[TrialFigure]:
    """Of a flood that went on for ``seconds``; nothing without one."""
    if attack is None or attack.handshakes is None or not seconds or not attack.sent:
        return
    of_kernel = attack.handshakes
    cookies = of_kernel.cookies_sent + (counters.cookies or 0)
    dropped = of_kernel.dropped + (counters.denied_packets or 0)
    yield TrialFigure(name="flood_per_s", title="flood", unit="SYNs/s", value=attack.sent / seconds)
    yield TrialFigure(name="cookies_per_s", title="answered with cookies", unit="SYNs/s", value=cookies / seconds)
    yield TrialFigure(name="dropped_per_s", title="dropped SYNs", unit="SYNs/s", value=dropped / seconds)
    if opened:
        share = of_kernel.resent / opened
        yield TrialFigure(name="resent_share", title="clients' SYNs sent again ÷ connections", value=share)
