"""What rules and notices have sent: their receivers, their events, and each attempt to deliver a message."""

from collections.abc import Iterator, Sequence

from domain.runs.notice import EndEvent
from domain.runs.rule import Delivery, RegressionEvent
from domain.values.texts import counted


def receivers_text(webhook: str | None, email: Sequence[str]) -> str:
    """Where messages go."""
    found = [f"webhook {webhook}"] if webhook else []
    found += [f"mail {', '.join(email)}"] if email else []
    return "; ".join(found) or "no message is sent: it has no webhook and no mail"


def event_lines(event: RegressionEvent | EndEvent) -> Iterator[str]:
    """An event, and a line for each of its messages."""
    yield f"{_moment(event.at)} campaign {event.campaign}: {event.sentence}"
    for delivery in event.deliveries:
        yield f"  {_delivered(delivery)}"


def _delivered(one: Delivery) -> str:
    last = f"; last {_moment(one.attempts[-1].at)}: {one.attempts[-1].outcome}" if one.attempts else ""
    following = f"; next {_moment(one.next_at)}" if one.next_at else ""
    return f"{one.state}: {one.channel} to {one.target}, {counted(len(one.attempts), 'attempt')}{last}{following}"


def _moment(at: str) -> str:
    return f"{at[:16].replace('T', ' ')} UTC"
