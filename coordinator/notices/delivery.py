"""Delivers the outbox: claims a message, sends it, and logs the attempt. It runs beside the ticker, in a thread.

What a receiver does cannot slow down the ticker, and two processes do not send one message at once.
"""

import json
import logging
import threading
import time
from collections.abc import Callable

from coordinator.config import Settings
from coordinator.notices import mail, webhook
from coordinator.store.rows.database import Store
from coordinator.store.runs import outbox
from coordinator.store.runs.outbox import Message
from domain.values.texts import error_text

INTERVAL_S = 5.0

log = logging.getLogger(__name__)


def run(store: Store, settings: Settings, clock: Callable[[], float], stop: threading.Event) -> None:
    """Deliver until ``stop`` is set. It logs a failed round and continues with the next."""
    while not stop.wait(INTERVAL_S):
        try:
            while not stop.is_set() and deliver_one(store, settings, clock):
                pass
        except Exception:  # an unavailable database comes back; deliveries must outlive that
            log.exception("a round of deliveries failed")


def deliver_one(store: Store, settings: Settings, clock: Callable[[], float]) -> bool:
    """Try to deliver the next message that is due; ``False`` if there is none."""
    now, began = clock(), time.monotonic()
    with store.read() as session:
        if not outbox.is_due(session, now):
            return False
    with store.write() as session:
        message = outbox.claim(session, now)
    if message is None:
        return False
    try:
        problem = _send(message, settings, now)
    except Exception as error:  # what a receiver or a library does must not end the deliveries of others
        log.exception("message %s was not sent", message.id)
        problem = f"an error of the coordinator: {error_text(error)}"
    with store.write() as session:
        outbox.note_attempt(session, message, now, time.monotonic() - began, problem)
    log.info("%s %s to %s: %s", message.channel, message.id, message.target, problem or "delivered")
    return True


def _send(message: Message, settings: Settings, now: float) -> str:
    event = json.loads(message.body)
    page = f"{settings.web_url}/campaigns/{event['campaign']['id']}" if settings.web_url else ""
    if message.channel == "email":
        if refusal := settings.notices.mail_problem(message.target):
            return refusal
        sender = settings.notices.mail_from
        wanted = mail.message_of(
            message.body, sender=sender, receiver=message.target, delivery=message.id, now=now, page=page
        )
        return mail.send(settings.notices, wanted)
    # The setting may have changed since the rule was made.
    if refusal := settings.notices.webhook_problem(message.target):
        return refusal
    body = json.dumps({**event, "url": page or None}, allow_nan=False).encode()
    return webhook.post(message.target, body, secret=settings.notices.webhook_secret, delivery=message.id, now=now)
