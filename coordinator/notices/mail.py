"""Mail through an SMTP server: with STARTTLS or TLS, and a password only behind one of them."""

import json
import smtplib
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from email.message import EmailMessage
from email.utils import formatdate
from typing import Any

from coordinator.notice_settings import MailSettings, NoticeSettings
from domain.reports.outcome import state_text
from domain.runs.comparison import COLUMNS
from domain.values.texts import counted, error_text

TIMEOUT_S = 10.0  # of each read and write
TOTAL_S = 30.0  # of one mail: a server that sends a byte now and then must not hold up all other messages


def message_of(body: str, *, sender: str, receiver: str, delivery: str, now: float, page: str) -> EmailMessage:
    """The mail of an event. Its Message-ID is that of the delivery, so a repeated mail is known as one."""
    event = json.loads(body)
    mail = EmailMessage()
    mail["From"], mail["To"] = sender, receiver
    mail["Date"] = formatdate(now)
    mail["Message-ID"] = f"<{delivery}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    campaign = event["campaign"]
    subject, details = _of_end(event) if event.get("type") == "campaign_ended" else _of_regression(event)
    mail["Subject"] = subject
    started = f", started {campaign['started_at']}" if campaign["started_at"] else ""
    lines = [event["sentence"], "", f"Campaign {campaign['id']} ({campaign['name']}){started}.", *details]
    lines += ["", page] if page else []
    mail.set_content("\n".join(lines) + "\n", cte="quoted-printable")
    return mail


def _of_regression(event: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The subject, and what was new about the hosts."""
    rule = event["rule"]
    metric = COLUMNS.get(rule["metric"], rule["metric"])
    changed = [f"{one['name']} {one['before']} -> {one['after']}" for one in event["changed"]]
    subject = f"Regression: {metric} of {rule['datapath']} in {event['campaign']['name']}"
    return subject, [f"New since the campaign before: {one}" for one in changed]


def _of_end(event: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The subject, and the expectations that the campaign did not meet."""
    campaign, failed = event["campaign"], event["expectations"]["fail"]
    gate = f", {counted(failed, 'expectation')} failed" if failed else ""
    return f"Campaign {campaign['name']}: {state_text(campaign)}{gate}", list(event["missed"])


def send(settings: NoticeSettings, mail: EmailMessage, total_s: float = TOTAL_S) -> str:
    """Send one mail. Returns why it was not accepted; empty if the server took it."""
    server = settings.mail
    if server is None:
        return "the setting SHOWDOWN_SMTP_URL is missing"
    context = ssl.create_default_context()
    try:
        client = _connection(server, context, total_s)
        try:
            if server.security == "smtp":
                client.starttls(context=context)
            if server.user:
                client.login(server.user, server.password)
            client.send_message(mail)
            with suppress(smtplib.SMTPException, OSError):  # the mail is accepted, whatever the server says now
                client.quit()
        finally:
            client.close()
    except (smtplib.SMTPException, OSError) as error:
        return f"not accepted: {error_text(error)}"
    return ""


class _Limited(smtplib.SMTP):
    """Its connection ends after ``total_s``, so that whatever waits for the server fails."""

    def __init__(self, server: MailSettings, total_s: float, **more: Any) -> None:
        self._ending = threading.Timer(total_s, self._end)
        self._ending.daemon = True
        self._ending.start()
        try:
            super().__init__(server.host, server.port, timeout=TIMEOUT_S, **more)
        except BaseException:
            self._ending.cancel()
            raise

    def close(self) -> None:
        """As :meth:`smtplib.SMTP.close`."""
        self._ending.cancel()
        super().close()

    def _end(self) -> None:
        if self.sock is not None:
            with suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)


class _LimitedTls(_Limited, smtplib.SMTP_SSL):
    """The same with TLS from the start."""


def _connection(server: MailSettings, context: ssl.SSLContext, total_s: float) -> smtplib.SMTP:
    if server.security == "smtps":
        return _LimitedTls(server, total_s, context=context)
    return _Limited(server, total_s)
