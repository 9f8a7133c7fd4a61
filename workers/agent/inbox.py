"""What a worker takes out of its queue: authentic messages of known tasks. Everything else is dropped and counted."""

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from domain.service.messages import PING_TASK, Drop, Message, Unacceptable, envelope_of, opened
from domain.service.vitals import DroppedMessages

log = logging.getLogger(__name__)

REMEMBERED = 4096
"""So many ids of messages are known; a repeated one is dropped. A copied claim is refused by the coordinator anyway."""

REPEAT_LOG_S = 600.0


@dataclass
class Inbox:
    """Judges each item of the queue. One thread writes; the vitals and the watchdog of other threads read."""

    queue: str
    key: bytes
    clock: Callable[[], float] = time.monotonic
    taken: int = 0
    """Items taken from the queue, dropped or not."""

    heard_at: float | None = None
    _dropped: Counter[Drop] = field(default_factory=Counter)
    _seen: dict[str, None] = field(default_factory=dict)
    _logged_at: dict[Drop, float] = field(default_factory=dict)

    def accepted(self, item: bytes) -> bytes | None:
        """The item in the form for Celery; ``None`` if it is dropped, or a ping."""
        self.taken += 1
        try:
            message = self._new(opened(item, self.key))
        except Unacceptable as refusal:
            self._drop(refusal.why, len(item))
            return None
        self.heard_at = self.clock()
        return None if message.task == PING_TASK else envelope_of(message, self.queue)

    @property
    def heard_s(self) -> float | None:
        """The age of the newest authentic message."""
        return None if self.heard_at is None else max(0.0, self.clock() - self.heard_at)

    @property
    def dropped(self) -> DroppedMessages:
        """What was dropped since the start."""
        return DroppedMessages(**{why.value: count for why, count in self._dropped.items()})

    def _new(self, message: Message) -> Message:
        if message.identity in self._seen:
            raise Unacceptable(Drop.REPEATED)
        self._seen[message.identity] = None
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return message

    def _drop(self, why: Drop, size_bytes: int) -> None:
        self._dropped[why] += 1
        now = self.clock()
        if now - self._logged_at.get(why, -REPEAT_LOG_S) >= REPEAT_LOG_S:
            self._logged_at[why] = now
            log.warning(
                "dropped a message of %d bytes: %s; %d so far", size_bytes, why.replace("_", " "), self._dropped[why]
            )
