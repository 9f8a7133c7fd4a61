"""Sign-in at a provider of OpenID Connect: the authorization code flow with PKCE, state and nonce.

Authlib and joserfc do the protocol. This module decides who may sign in, and says in one sentence why not.
"""

import logging
import re
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlsplit

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from coordinator.access.principal import Kind, Principal
from coordinator.oidc_settings import LOOPBACK_HOSTS, OidcSettings
from coordinator.telemetry.time_limit import LimitedTransport
from domain.service.logs import one_line
from domain.service.scopes import Scope

FLOW_S = 600.0  # within so many seconds the person must come back from the provider
LIMIT_S = 10.0  # for all requests of one step
LEEWAY_S = 60  # between the provider's clock and this one
# Only signatures by a key pair: with HS256, who knows the client's secret could sign.
ALGORITHMS = ["RS256", "PS256", "ES256", "ES384", "RS512", "EdDSA"]
AT_ONCE = threading.BoundedSemaphore(2)  # a slow provider must leave threads for everyone else
_ERROR = re.compile(r"[a-z_]{1,40}")
_PATH = "/.well-known/openid-configuration"

log = logging.getLogger(__name__)


class SignInFailed(Exception):
    """The message is one sentence for the person."""


@dataclass(frozen=True)
class Flow:
    """What the browser keeps while the person is at the provider. ``wanted``: the page to continue with."""

    state: str
    nonce: str
    verifier: str
    wanted: str


def begin(settings: OidcSettings, redirect_uri: str, wanted: str) -> tuple[str, Flow]:
    """The provider's address to go to, and what to keep meanwhile. Raises :class:`SignInFailed`."""
    state, nonce, verifier = (secrets.token_urlsafe(48) for _ in range(3))
    flow = Flow(state, nonce, verifier, wanted)
    with _Provider(settings, redirect_uri) as provider:
        return provider.address(flow), flow


def finish(settings: OidcSettings, redirect_uri: str, flow: Flow | None, answer: Mapping[str, str]) -> Principal:
    """Who has come back from the provider with this answer. Raises :class:`SignInFailed`."""
    if flow is None or not secrets.compare_digest(answer.get("state", "").encode(), flow.state.encode()):
        raise SignInFailed("This sign-in was begun in another browser, or more than ten minutes ago: try again.")
    if error := answer.get("error"):
        word = error if _ERROR.fullmatch(error) else "an unknown error"
        raise SignInFailed(f"{settings.host} did not sign you in: {word}.")
    if answer.get("iss", settings.issuer) != settings.issuer:
        raise SignInFailed("The answer is of another provider.")
    with _Provider(settings, redirect_uri) as provider:
        claims = provider.claims(flow, answer.get("code", ""))
    return principal_of(settings, claims)


def principal_of(settings: OidcSettings, claims: Mapping[str, Any]) -> Principal:
    """Who the provider says it is, if they may sign in. Raises :class:`SignInFailed`."""
    email, groups = str(claims.get("email") or "").lower(), claims.get("groups")
    names = [str(group) for group in groups] if isinstance(groups, list) else []
    verified = claims.get("email_verified") is True
    scope = _scope_of(settings, email if verified else "", names)
    if scope is None and email and not verified:
        raise SignInFailed(f"{settings.host} has not verified your e-mail address, so it does not sign you in.")
    name = email if email and verified else str(claims.get("sub") or "")
    if scope is None or not name:
        raise SignInFailed(f"{name or 'This account'} may not sign in here: ask the administrator.")
    return Principal(Kind.PERSON, name[:254], scope)


def _scope_of(settings: OidcSettings, email: str, groups: list[str]) -> Scope | None:
    """The widest scope that one of the rules gives."""
    matching = {email, f"@{email.rpartition('@')[2]}"} if email else set()
    matching |= {f"group:{group}" for group in groups}
    given = [scope for scope in Scope if matching & set(settings.allowed.get(scope, ()))]
    return given[-1] if given else None


class _Provider:
    """The provider during one step of a sign-in. Its errors become :class:`SignInFailed`."""

    def __init__(self, settings: OidcSettings, redirect_uri: str) -> None:
        self._settings, self._redirect_uri = settings, redirect_uri
        self._http = httpx.Client(transport=LimitedTransport(LIMIT_S), trust_env=False, timeout=LIMIT_S)

    def __enter__(self) -> "_Provider":
        if not AT_ONCE.acquire(blocking=False):
            raise SignInFailed("Several people sign in at this moment: try again in a few seconds.")
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        AT_ONCE.release()
        self._http.close()
        host = self._settings.host
        if isinstance(error, httpx.HTTPError):
            log.warning("the provider of OIDC %s does not answer: %s", host, one_line(error))
            raise SignInFailed(f"{host} does not answer: try again, or sign in with a token.") from error
        if isinstance(error, (JoseError, ValueError, KeyError, TypeError, AttributeError)):
            log.warning("the provider of OIDC %s gave a bad answer: %s", host, one_line(error))
            raise SignInFailed(f"The answer of {host} is not valid: try again.") from error

    def address(self, flow: Flow) -> str:
        """Where the person signs in."""
        return str(
            prepare_grant_uri(
                self._endpoint(self._metadata(), "authorization_endpoint"),
                self._settings.client_id,
                "code",
                redirect_uri=self._redirect_uri,
                scope=self._settings.scopes,
                state=flow.state,
                nonce=flow.nonce,
                code_challenge=create_s256_code_challenge(flow.verifier),
                code_challenge_method="S256",
            )
        )

    def claims(self, flow: Flow, code: str) -> Mapping[str, Any]:
        """What the provider says about the person, after every check of its signature and its claims."""
        metadata = self._metadata()
        token = self._token(self._endpoint(metadata, "token_endpoint"), flow, code)
        keys = KeySet.import_key_set({"keys": self._get(self._endpoint(metadata, "jwks_uri"))["keys"]})
        decoded = jwt.decode(token["id_token"], keys, algorithms=ALGORITHMS)
        settings = self._settings
        claims = CodeIDToken(
            decoded.claims,
            decoded.header,
            {"iss": {"essential": True, "value": settings.issuer}, "nonce": {"essential": True}},
            {"nonce": flow.nonce, "client_id": settings.client_id, "access_token": token.get("access_token")},
        )
        claims.validate(leeway=LEEWAY_S)  # it checks the audience by the client's id, too
        found = dict(claims)
        if "email" not in found and "userinfo_endpoint" in metadata:
            more = self._get(self._endpoint(metadata, "userinfo_endpoint"), token["access_token"])
            if more["sub"] != found["sub"]:
                raise ValueError("the user info is of another person")
            found = {**more, **found}
        return found

    def _token(self, endpoint: str, flow: Flow, code: str) -> Mapping[str, Any]:
        settings = self._settings
        secret = settings.client_secret
        public = {} if secret else {"client_id": settings.client_id}
        body = prepare_token_request(
            "authorization_code", redirect_uri=self._redirect_uri, code=code, code_verifier=flow.verifier, **public
        )
        # RFC 6749, 2.3.1: both parts are encoded as in a form before they are a user's name and password.
        auth = httpx.BasicAuth(quote_plus(settings.client_id), quote_plus(secret)) if secret else httpx.Auth()
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        answer = self._http.post(endpoint, content=body, headers=headers, auth=auth)
        if answer.status_code == httpx.codes.BAD_REQUEST:
            raise ValueError(f"it refuses the code: {answer.text[:200]!r}")
        answer.raise_for_status()
        found = answer.json()
        return found if isinstance(found, dict) else {}

    def _metadata(self) -> Mapping[str, Any]:
        found = self._get(self._settings.issuer.rstrip("/") + _PATH)
        if found["issuer"] != self._settings.issuer:
            raise ValueError(f"the issuer is {str(found['issuer'])[:100]!r}")
        return found

    def _get(self, url: str, access_token: str = "") -> Mapping[str, Any]:
        headers = {"Authorization": f"Bearer {access_token}"} if access_token else {}
        answer = self._http.get(url, headers=headers)
        answer.raise_for_status()
        found = answer.json()
        if not isinstance(found, dict):
            raise ValueError(f"{urlsplit(url).path} is no object")
        return found

    def _endpoint(self, metadata: Mapping[str, Any], name: str) -> str:
        url = str(metadata[name])
        if not is_safe(url):
            raise ValueError(f"{name} is not https")
        return url


def is_safe(url: str) -> bool:
    """True for https, and for http to this machine."""
    split = urlsplit(url)
    return split.scheme == "https" or (split.scheme == "http" and split.hostname in LOOPBACK_HOSTS)
