"""Which settings each process of the private stack gets: none has a secret that it does not need. Pure."""

from collections.abc import Mapping

_PREFIX = "SHOWDOWN_"
_OF_THE_WORKER = frozenset({"SHOWDOWN_HOST_TOKEN"})
_OF_THE_COORDINATOR = frozenset(
    {
        "SHOWDOWN_TOKEN",
        "SHOWDOWN_WORKER_TOKEN",
        "SHOWDOWN_SECRET_KEY",
        "SHOWDOWN_SIGNING_KEY",
        "SHOWDOWN_DATABASE_URL",
        "SHOWDOWN_WEBHOOK_SECRET",
        "SHOWDOWN_SMTP_URL",
    }
)
"""Secrets or where they are, and the addresses of the database and of the mail server, which may contain a password."""

_COORDINATORS = frozenset({"coordinator", "ticker"})


def environment_of(child: str, everything: Mapping[str, str]) -> dict[str, str]:
    """The environment of the child with that name. Servers that are not Showdown's get none of its settings."""
    if child in _COORDINATORS:
        return {name: value for name, value in everything.items() if name not in _OF_THE_WORKER}
    if child == "worker":
        return {name: value for name, value in everything.items() if name not in _OF_THE_COORDINATOR}
    return {name: value for name, value in everything.items() if not name.startswith(_PREFIX)}
