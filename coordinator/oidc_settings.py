"""The settings of sign-in at a provider of OpenID Connect."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from domain.service.scopes import Scope
from domain.values.texts import error_text, words_of

LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class OidcSettings:
    """A provider of OpenID Connect. ``allowed``: by scope, e-mail addresses, ``@domain`` and ``group:NAME``."""

    issuer: str
    client_id: str
    client_secret: str
    scopes: str
    allowed: Mapping[str, tuple[str, ...]]

    @property
    def host(self) -> str:
        """The provider's name for people."""
        return urlsplit(self.issuer).hostname or self.issuer

    def __repr__(self) -> str:  # keeps the secret out of logs and tracebacks
        return f"OidcSettings(issuer={self.issuer!r})"


def oidc_settings(env: Mapping[str, str], web_url: str) -> OidcSettings | None:
    """The provider that people may sign in at; ``None`` without one. Raises ``ValueError``."""
    issuer = env.get("SHOWDOWN_OIDC_ISSUER", "")  # with a slash at its end, if the provider's has one
    if not issuer:
        return None
    if not issuer.startswith("https://") and urlsplit(issuer).hostname not in LOOPBACK_HOSTS:
        raise ValueError("SHOWDOWN_OIDC_ISSUER must begin with https://")
    client_id = env.get("SHOWDOWN_OIDC_CLIENT_ID", "")
    if not (client_id and web_url):
        raise ValueError("SHOWDOWN_OIDC_ISSUER needs SHOWDOWN_OIDC_CLIENT_ID and SHOWDOWN_WEB_URL")
    allowed = {scope.value: _allowed(env, f"SHOWDOWN_OIDC_{scope.name}") for scope in Scope}
    if not any(allowed.values()):
        raise ValueError("SHOWDOWN_OIDC_ISSUER needs SHOWDOWN_OIDC_READ, _SUBMIT or _ADMIN: who may sign in")
    scopes = env.get("SHOWDOWN_OIDC_SCOPES", "") or "openid email"
    return OidcSettings(issuer, client_id, _secret(env), scopes, allowed)


def _allowed(env: Mapping[str, str], variable: str) -> tuple[str, ...]:
    found = words_of(env.get(variable, ""))
    if bad := [one for one in found if "@" not in one[:-1] and not one.startswith("group:")]:
        raise ValueError(f"{variable}: {bad[0]!r} is no e-mail address, @domain or group:NAME")
    return tuple(one if one.startswith("group:") else one.lower() for one in found)


def _secret(env: Mapping[str, str]) -> str:
    file = env.get("SHOWDOWN_OIDC_SECRET_FILE", "")
    try:
        return Path(file).read_text(encoding="utf-8").strip() if file else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"SHOWDOWN_OIDC_SECRET_FILE cannot be read: {error_text(error)}") from error
