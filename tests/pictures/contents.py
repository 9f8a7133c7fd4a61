"""What a page is made of: its HTML, style sheets and scripts, and a hash of all of them."""

import hashlib
import re
from urllib.parse import urlsplit

from flask.testing import FlaskClient

from tests.pictures.example import Example
from tests.pictures.pages import Page
from tests.unit.coordinator.pages import signed_in

# Tokens against forged requests, the public key of this installation, and ids of requests.
_CHANGING = re.compile(
    r'(?<=name="csrf_token" value=")[^"]*|(?<=ed25519:)[\w+/=]+|(?<=<td class="mono faint">)[0-9a-f]{16}(?=<)'
)
_LINKED = re.compile(r'<(?:link rel="stylesheet" href|script src)="([^"]+)"')


class Browser:
    """Two clients without a window: one is signed in."""

    def __init__(self, example: Example) -> None:
        self.example = example
        self._signed_in = signed_in(example.at)
        self._signed_out = example.at.app.test_client()

    def client(self, page: Page) -> FlaskClient:
        return self._signed_in if page.signed_in else self._signed_out

    def html(self, page: Page) -> str:
        """The page's HTML without what changes with each request or installation."""
        answer = self.client(page).get(page.path(self.example))
        assert answer.status_code == 200, (page.name, answer.status_code, answer.text[:300])
        return _CHANGING.sub("", answer.text)

    def hash_of(self, page: Page) -> str:
        """A hash of the page and of all style sheets and scripts that it names."""
        html = self.html(page)
        digest = hashlib.sha256(html.encode())
        for address in _LINKED.findall(html):
            answer = self.client(page).get(urlsplit(address).path)
            assert answer.status_code == 200, address
            digest.update(answer.data)
        return digest.hexdigest()[:16]
