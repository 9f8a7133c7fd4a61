"""A small provider of OpenID Connect on loopback, which a test can make lie."""

import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from tests.servers import Request, http_server

CLIENT_ID, SECRET = "showdown", "the-client-s-secret"


@dataclass
class Provider:
    """``claims`` and ``metadata`` change what it says; ``signer`` signs with another key, or none."""

    url: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "one"}))
    signer: Callable[[dict[str, Any]], str] | None = None
    down: bool = False
    _asked: dict[str, str] = field(default_factory=dict)

    def reset(self) -> None:
        """Be honest again."""
        self.claims, self.metadata, self.userinfo, self.signer, self.down = {}, {}, {}, None, False

    def person_signs_in(self, address: str) -> dict[str, str]:
        """The person follows the redirect to the provider; returns what the browser is sent back with."""
        split = urlsplit(address)
        assert f"{split.scheme}://{split.netloc}{split.path}" == f"{self.url}/authorize"
        self._asked = {name: values[0] for name, values in parse_qs(split.query).items()}
        assert self._asked["response_type"] == "code"
        assert self._asked["code_challenge_method"] == "S256"
        return {"code": "a-code", "state": self._asked["state"]}

    def answer(self, request: Request) -> tuple[int, str]:
        """What the coordinator asks for."""
        found = {
            "/.well-known/openid-configuration": self._metadata,
            "/jwks": lambda: KeySet([self.key]).as_dict(private=False),
            "/userinfo": lambda: self.userinfo,
        }
        if self.down:
            return 503, "{}"
        if request.path == "/token":
            return self._token(request)
        return 200, json.dumps(found[request.path]())

    def _metadata(self) -> dict[str, Any]:
        found = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "userinfo_endpoint": f"{self.url}/userinfo",
        }
        return found | self.metadata

    def _token(self, request: Request) -> tuple[int, str]:
        sent = {name: values[0] for name, values in parse_qs(request.body).items()}
        challenge = base64.urlsafe_b64encode(hashlib.sha256(sent["code_verifier"].encode()).digest()).decode()
        client = base64.b64encode(f"{CLIENT_ID}:{SECRET}".encode()).decode()
        if (
            challenge.rstrip("=") != self._asked["code_challenge"]
            or sent["code"] != "a-code"
            or sent["redirect_uri"] != self._asked["redirect_uri"]
            or request.headers["Authorization"] != f"Basic {client}"
        ):
            return 400, json.dumps({"error": "invalid_grant"})
        return 200, json.dumps({"access_token": "an-access-token", "token_type": "Bearer", "id_token": self._signed()})

    def _signed(self) -> str:
        now = int(time.time())
        claims = {
            "iss": self.url, "sub": "4711", "aud": CLIENT_ID, "iat": now, "exp": now + 300,
            "nonce": self._asked["nonce"], "email": "Anna@Example.org", "email_verified": True,
        } | self.claims  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        return self.signer(claims) if self.signer else jwt.encode({"alg": "ES256", "kid": "one"}, claims, self.key)


@contextmanager
def provider() -> Iterator[Provider]:
    """A running provider."""
    made = Provider()
    with http_server(made.answer, headers=lambda _: {}) as server:
        made.url = server.url
        yield made
