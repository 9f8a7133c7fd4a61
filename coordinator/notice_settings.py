"""The settings of webhooks and mail: where messages may go, and how they are signed and sent.

Nothing may be sent anywhere until a setting allows it: a user of the service must not be able to make the coordinator
send requests into its own network.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

import httpx

from domain.values.texts import words_of

SHORTEST_SECRET = 16  # characters
_PORTS = {"http": 80, "https": 443}
_MAIL_PORTS = {"smtp": 587, "smtps": 465, "smtp+plain": 25}


@dataclass(frozen=True)
class MailSettings:
    """The mail server. ``security``: smtp (STARTTLS), smtps (TLS) or smtp+plain (none)."""

    security: str
    host: str
    port: int
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class NoticeSettings:
    """``webhook_hosts`` are pairs of a host and a port; without a port, that of the scheme is allowed."""

    webhook_hosts: tuple[tuple[str, int | None], ...] = ()
    webhook_secret: str = field(default="", repr=False)
    mail: MailSettings | None = None
    mail_from: str = ""
    mail_to: tuple[str, ...] = ()

    def webhook_problem(self, url: str) -> str:
        """Why nothing may be sent to this address; empty if it may."""
        try:
            parts = httpx.URL(url)  # as the sender reads it
        except (httpx.InvalidURL, ValueError):
            return "is not an address"
        if parts.scheme not in _PORTS or not parts.host:
            return "must begin with https:// or http://, and name a host"
        if parts.userinfo or parts.fragment or not url.isprintable():
            return "must have no user, password or fragment"
        default = _PORTS[parts.scheme]
        allowed = {(name, port or default) for name, port in self.webhook_hosts}
        if (parts.host.lower(), parts.port or default) not in allowed:
            return f"goes to {parts.host[:80]}, which the setting SHOWDOWN_WEBHOOK_HOSTS does not allow"
        return ""

    def mail_problem(self, address: str) -> str:
        """Why no mail may be sent to this address; empty if it may."""
        if self.mail is None:
            return "no mail can be sent: the setting SHOWDOWN_SMTP_URL is missing"
        wanted = address.lower()
        if wanted not in self.mail_to and "@" + wanted.rpartition("@")[2] not in self.mail_to:
            return "the setting SHOWDOWN_MAIL_TO does not allow this address"
        return ""


def notice_settings(env: Mapping[str, str]) -> NoticeSettings:
    """Read the environment. Raises ``ValueError``; the message names the variable."""
    hosts, secret = _webhook_hosts(env), env.get("SHOWDOWN_WEBHOOK_SECRET", "")
    if hosts and len(secret) < SHORTEST_SECRET:
        raise ValueError(f"SHOWDOWN_WEBHOOK_SECRET needs at least {SHORTEST_SECRET} characters, to sign webhooks")
    mail, sender = _mail(env), env.get("SHOWDOWN_MAIL_FROM", "").strip()
    if mail is not None and (sender.count("@") != 1 or not sender.isprintable() or " " in sender):
        raise ValueError("SHOWDOWN_MAIL_FROM must be the sender's address, because SHOWDOWN_SMTP_URL is set")
    receivers = tuple(one.lower() for one in words_of(env.get("SHOWDOWN_MAIL_TO", "")))
    if any("@" not in one for one in receivers):
        raise ValueError("SHOWDOWN_MAIL_TO must be addresses, or domains as @example.com, with commas between them")
    return NoticeSettings(hosts, secret, mail, sender, receivers)


def _webhook_hosts(env: Mapping[str, str]) -> tuple[tuple[str, int | None], ...]:
    found = []
    for word in words_of(env.get("SHOWDOWN_WEBHOOK_HOSTS", "")):
        parts = _split(f"//{word}", "SHOWDOWN_WEBHOOK_HOSTS")
        if not parts.hostname or parts.path or parts.username is not None or "*" in word:
            raise ValueError(f"SHOWDOWN_WEBHOOK_HOSTS: {word!r} is not HOST or HOST:PORT")
        found.append((parts.hostname.lower(), parts.port))
    return tuple(found)


def _mail(env: Mapping[str, str]) -> MailSettings | None:
    url = env.get("SHOWDOWN_SMTP_URL", "")
    if not url:
        return None
    parts = _split(url, "SHOWDOWN_SMTP_URL")
    if parts.scheme not in _MAIL_PORTS or not parts.hostname:
        raise ValueError(f"SHOWDOWN_SMTP_URL must begin with {', '.join(f'{one}://' for one in _MAIL_PORTS)}")
    if parts.scheme == "smtp+plain" and parts.password:
        raise ValueError("SHOWDOWN_SMTP_URL: a password must not be sent without TLS; use smtp:// or smtps://")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return MailSettings(parts.scheme, parts.hostname, parts.port or _MAIL_PORTS[parts.scheme], user, password)


def _split(text: str, variable: str) -> SplitResult:
    try:
        found = urlsplit(text)
        _ = found.port  # it is read only here
        return found
    except ValueError as error:
        raise ValueError(f"{variable} is not valid: {error}") from error
