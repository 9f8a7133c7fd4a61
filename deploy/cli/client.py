"""A client of the coordinator's REST interface for the command line."""

import secrets
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import httpx
from pydantic import ValidationError

from deploy.cli.errors import CampaignInvalid, CommandError, Unreachable, UsageProblem
from domain.comparison import Comparison
from domain.names import HOST_NAME_SHAPE, is_host_name
from domain.problems import Problem
from domain.report import CampaignReport
from domain.trouble import Readiness

ENDED = frozenset({"complete", "failed", "cancelled"})
_TIMEOUT_S = 30.0


class Coordinator:
    """A coordinator at ``url``, with a user's ``token``.

    Every method raises :class:`Unreachable` (no answer, or the token is refused), :class:`UsageProblem` (no such
    campaign), :class:`CampaignInvalid` or :class:`CommandError` (an unexpected answer).
    """

    def __init__(self, url: str, token: str, transport: httpx.BaseTransport | None = None) -> None:
        self.url = url.rstrip("/")
        try:
            self._http = httpx.Client(
                base_url=f"{self.url}/api/v1/",
                headers={"Authorization": f"Bearer {token}"},
                timeout=_TIMEOUT_S,
                transport=transport,
                # A proxy from the environment is for the outside world, not for a coordinator on loopback.
                trust_env=False,
            )
        except (httpx.InvalidURL, UnicodeEncodeError) as error:
            raise UsageProblem(f"{self.url!r} or its token is not valid: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def submit(self, toml: str) -> dict[str, Any]:
        """Submit a campaign; the answer has its ``id``. If the answer is lost, it asks once more, for the same one."""
        headers = {"Content-Type": "application/toml", "Idempotency-Key": secrets.token_hex(16)}
        try:
            return self._ask("POST", "campaigns", content=toml.encode(), headers=headers)
        except Unreachable as error:
            if not isinstance(error.__cause__, (httpx.ReadError, httpx.ReadTimeout, httpx.RemoteProtocolError)):
                raise
        return self._ask("POST", "campaigns", content=toml.encode(), headers=headers)

    def plan(self, toml: str) -> dict[str, Any]:
        """The plan of a campaign that is not submitted."""
        return self._ask("POST", "campaigns/plan", content=toml.encode(), headers={"Content-Type": "application/toml"})

    def campaign(self, campaign_id: str) -> dict[str, Any]:
        """A campaign with its state and progress."""
        return self._ask("GET", f"campaigns/{_segment(campaign_id)}")

    def campaigns(self) -> dict[str, Any]:
        """All campaigns, newest first."""
        return self._ask("GET", "campaigns")

    def hosts(self) -> list[dict[str, Any]]:
        """Every host, by name."""
        found: list[dict[str, Any]] = self._ask("GET", "hosts")["hosts"]
        return found

    def cancel(self, campaign_id: str) -> dict[str, Any]:
        """Request the cancellation of a campaign; its state shows when it is cancelled."""
        return self._ask("POST", f"campaigns/{_segment(campaign_id)}/cancel")

    def resume(self, campaign_id: str) -> dict[str, Any]:
        """Go on with a paused campaign."""
        return self._ask("POST", f"campaigns/{_segment(campaign_id)}/resume")

    def quarantine(self) -> dict[str, Any]:
        """What is set aside, the newest first."""
        return self._ask("GET", "quarantine")

    def release(self, kind: str, name: str) -> dict[str, Any]:
        """Try again with one thing that is set aside; the answer is what is left."""
        if not name.replace("-", "").replace(".", "").isalnum():
            raise UsageProblem(f"{name!r} is no campaign's id and no host's name")
        return self._ask("POST", f"quarantine/{kind}/{name}/release")

    def report(self, campaign_id: str) -> CampaignReport:
        """The campaign's present report."""
        data = self._ask("GET", f"campaigns/{_segment(campaign_id)}/report")
        try:
            return CampaignReport.model_validate(data)
        except ValidationError as error:
            raise CommandError(f"the report of {campaign_id} cannot be read; is {self.url} the same version as this "
                               f"command? {error}") from error  # fmt: skip

    def compare(self, baseline: str, other: str) -> Comparison:
        """Two campaigns side by side; each may be a list of ids with ',' between them."""
        data = self._ask("GET", "compare", params={"baseline": baseline, "other": other})
        try:
            return Comparison.model_validate(data)
        except ValidationError as error:
            raise CommandError(f"the comparison cannot be read: {error}") from error

    def readiness(self) -> Readiness:
        """What keeps the coordinator from its work; an earlier version, which cannot say, has no troubles."""
        try:
            answer = self._http.get(f"{self.url}/readyz")
            return Readiness.model_validate(answer.json())
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise Unreachable(f"no coordinator answers at {self.url}: {error}") from error
        except ValueError:
            return Readiness(checked_at=datetime.now(UTC))

    def enrolments(self) -> dict[str, Any]:
        """All ``hosts``, and in ``enrolments`` which of them have a token."""
        return self._ask("GET", "hosts")

    def enrol(self, host: str, *, replace: bool = False) -> dict[str, Any]:
        """Make a token for a host; the answer has its ``host`` and ``token``."""
        return self._ask("POST", f"hosts/{_host(host)}/enrolment", json={"replace": replace})

    def revoke(self, host: str) -> None:
        """Make a host's token void."""
        self._ask("DELETE", f"hosts/{_host(host)}/enrolment")

    def remove(self, host: str) -> None:
        """Forget a host."""
        self._ask("DELETE", f"hosts/{_host(host)}")

    def page(self, campaign_id: str) -> str:
        """The address of the campaign's page."""
        return f"{self.url}/campaigns/{_segment(campaign_id)}"

    def _ask(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        try:
            answer = self._http.request(method, path, **request)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise Unreachable(f"no coordinator answers at {self.url}: {error} ('showdown up' starts one)") from error
        if answer.is_error:
            raise self._refusal(answer)
        if answer.status_code == httpx.codes.NO_CONTENT:
            return {}
        try:
            data = answer.json()
        except ValueError:
            data = None
        if not isinstance(data, dict):
            raise CommandError(f"{answer.url} is not a coordinator: {answer.text[:200]!r}")
        return data

    def _refusal(self, answer: httpx.Response) -> CommandError:
        message, problems = _error_of(answer)
        if answer.status_code in (401, 403):
            return Unreachable(f"{self.url} refuses the token: {message} (SHOWDOWN_TOKEN, or option --token-file)")
        if answer.status_code in (502, 503, 504):
            return Unreachable(f"{self.url} is not available: {message}")
        if problems:
            return CampaignInvalid(problems, message)
        if answer.status_code in (404, 409):
            return UsageProblem(message)
        if answer.status_code in (400, 413, 415, 422):
            return CampaignInvalid([], message)
        return CommandError(f"{self.url} answers {answer.status_code}: {message}")


def _segment(campaign_id: str) -> str:
    if not campaign_id.isalnum():
        raise UsageProblem(f"{campaign_id!r} is not a campaign id")
    return campaign_id


def _host(name: str) -> str:
    if not is_host_name(name):
        raise UsageProblem(f"{name!r} {HOST_NAME_SHAPE}")
    return name


def _error_of(answer: httpx.Response) -> tuple[str, list[Problem]]:
    """What a problem document says (RFC 9457), or an earlier coordinator's error; else the status."""
    try:
        data = answer.json()
        problems = [Problem.model_validate(problem) for problem in data.get("errors") or data.get("problems") or ()]
        return str(data.get("detail") or data.get("message") or answer.reason_phrase), problems
    except (ValueError, AttributeError, TypeError):
        return answer.reason_phrase or str(answer.status_code), []
