"""A client of the coordinator's REST interface, for the command line and for programs (docs/exports.md)."""

import secrets
from datetime import UTC, datetime
from types import TracebackType
from typing import IO, Any, Self

import httpx

from deploy.cli.answers import error_of, read_answer
from deploy.cli.errors import CampaignInvalid, CommandError, Unreachable, UsageProblem
from domain.combination import Combination
from domain.comparison import Comparison
from domain.host_factor import HostFactor
from domain.names import HOST_NAME_SHAPE, is_host_name, is_token_name
from domain.report import CampaignReport
from domain.rule import NewRule, Rule
from domain.schedule import NewSchedule
from domain.trend import TrendReport
from domain.trouble import Readiness
from domain.trust import Trust

STATES = ("queued", "running", "cancelling", "complete", "failed", "cancelled")
ENDED = frozenset({"complete", "failed", "cancelled"})
CANCELLABLE = ("running", "queued")
_TIMEOUT_S = 30.0
_DOWNLOAD_S = 600.0  # until the first bytes: a bundle of a large campaign is packed before it is sent


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

    def campaigns(self, **filters: str | int) -> dict[str, Any]:
        """The newest campaigns that match the filters: parameters of ``GET /campaigns``."""
        return self._ask("GET", "campaigns", params=filters)

    def hosts(self) -> list[dict[str, Any]]:
        """Every host, by name."""
        found: list[dict[str, Any]] = self._ask("GET", "hosts")["hosts"]
        return found

    def cancel(self, campaign_id: str) -> dict[str, Any]:
        """Request the cancellation of a campaign; its state shows when it is cancelled."""
        return self._ask("POST", f"campaigns/{_segment(campaign_id)}/cancel")

    def pause(self, campaign_id: str) -> dict[str, Any]:
        """Begin no more blocks of a campaign until it is resumed."""
        return self._ask("POST", f"campaigns/{_segment(campaign_id)}/pause")

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
        return read_answer(CampaignReport, data, f"the report of {campaign_id}")

    def save_html(self, campaign_id: str, file: IO[bytes]) -> None:
        """Write the report as one HTML file, which needs no server."""
        self._download(f"{self.page(campaign_id)}/report.html", file)

    def save_bundle(self, campaign_id: str, file: IO[bytes]) -> None:
        """Write the signed bundle of a campaign that has ended: raw trials and report, for 'showdown verify'."""
        self._download(f"campaigns/{_segment(campaign_id)}/bundle.tar.gz", file)

    def save_histogram_log(self, campaign_id: str, cell: str, file: IO[bytes]) -> None:
        """Write the times of a cell, ``datapath.workload.level``, as a log of HDR histograms."""
        self._download(f"campaigns/{_segment(campaign_id)}/histograms.hlog", file, cell=cell)

    def compare(self, baseline: str, other: str) -> Comparison:
        """Two campaigns side by side; each may be a list of ids with ',' between them."""
        data = self._ask("GET", "compare", params={"baseline": baseline, "other": other})
        return read_answer(Comparison, data, "the comparison")

    def combine(self, runs: str, *, series: str = "", schedule: str = "", mixed: bool = False) -> Combination:
        """Runs of one configuration together: ids with ',' between them, a series, or a schedule by its id."""
        wanted = {"runs": runs, "series": series, "schedule": schedule}
        parameters = {name: text for name, text in wanted.items() if text} | ({"mixed": "true"} if mixed else {})
        data = self._ask("GET", "combine", params=parameters)
        return read_answer(Combination, data, "the combination")

    def trust(self) -> Trust:
        """How often a datapath was found to differ from itself."""
        data = self._ask("GET", "trust")
        return read_answer(Trust, data, "the counts")

    def host_factor(self, campaign_id: str) -> HostFactor:
        """The hosts of one campaign side by side."""
        data = self._ask("GET", f"campaigns/{_segment(campaign_id)}/hosts")
        return read_answer(HostFactor, data, f"the hosts of {campaign_id}")

    def schedules(self) -> dict[str, Any]:
        """Every schedule, by name."""
        return self._ask("GET", "schedules")

    def add_schedule(self, wanted: NewSchedule) -> dict[str, Any]:
        """Add a schedule."""
        return self._ask("POST", "schedules", json=wanted.model_dump(mode="json", exclude_none=True))

    def change_schedule(self, schedule_id: str, action: str) -> dict[str, Any]:
        """``pause``, ``resume``, ``run`` or ``remove`` a schedule."""
        path = f"schedules/{_segment(schedule_id)}"
        if action == "run":
            return self._ask("POST", f"{path}/run")
        if action == "remove":
            return self._ask("DELETE", path)
        return self._ask("PATCH", path, json={"paused": action == "pause"})

    def series(self) -> dict[str, Any]:
        """Series of campaigns, the one with the newest campaign first."""
        return self._ask("GET", "series")

    def trends(self, series_id: str) -> TrendReport:
        """A series with all its trends."""
        data = self._ask("GET", f"series/{_segment(series_id)}")
        return read_answer(TrendReport, data, "the trends")

    def rules(self) -> list[Rule]:
        """Every rule, the oldest first."""
        return [read_answer(Rule, one, "a rule") for one in self._ask("GET", "rules")["rules"]]

    def rule(self, rule_id: str) -> Rule:
        """A rule with its newest events."""
        return read_answer(Rule, self._ask("GET", f"rules/{_segment(rule_id)}"), "the rule")

    def add_rule(self, wanted: NewRule) -> Rule:
        """Watch a trend."""
        data = self._ask("POST", "rules", json=wanted.model_dump(mode="json", exclude_none=True))
        return read_answer(Rule, data, "the rule")

    def remove_rule(self, rule_id: str) -> Rule:
        """Forget a rule; returns what it was."""
        return read_answer(Rule, self._ask("DELETE", f"rules/{_segment(rule_id)}"), "the rule")

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

    def tokens(self) -> dict[str, Any]:
        """Every named token, without the tokens themselves."""
        return self._ask("GET", "tokens")

    def create_token(self, name: str, *, scope: str, days: int | None = None, replace: bool = False) -> dict[str, Any]:
        """Create a named token; the answer has its ``token``."""
        wanted = {"name": name, "scope": scope, "days": days, "replace": replace}
        return self._ask("POST", "tokens", json=wanted)

    def revoke_token(self, name: str) -> None:
        """Make a named token void."""
        if not is_token_name(name):
            raise UsageProblem(f"{name!r} is no name of a token")
        self._ask("DELETE", f"tokens/{name}")

    def shares(self, campaign_id: str) -> dict[str, Any]:
        """The read-only links to a campaign, without their secrets."""
        return self._ask("GET", f"campaigns/{_segment(campaign_id)}/shares")

    def create_share(self, campaign_id: str, *, days: int | None = None) -> dict[str, Any]:
        """Create a read-only link to a campaign; the answer has its ``url``."""
        return self._ask("POST", f"campaigns/{_segment(campaign_id)}/shares", json={"days": days})

    def revoke_share(self, campaign_id: str, share_id: str) -> None:
        """Make a link void."""
        self._ask("DELETE", f"campaigns/{_segment(campaign_id)}/shares/{_segment(share_id)}")

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

    def _download(self, path: str, file: IO[bytes], **parameters: str) -> None:
        try:
            with self._http.stream("GET", path, params=parameters or None, timeout=_DOWNLOAD_S) as answer:
                if answer.is_error:
                    answer.read()
                    raise self._refusal(answer)
                for piece in answer.iter_bytes():
                    file.write(piece)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise Unreachable(f"{self.url} sent no whole answer: {error}") from error

    def _refusal(self, answer: httpx.Response) -> CommandError:
        message, problems = error_of(answer)
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


def _segment(given: str) -> str:
    if not given.isalnum():
        raise UsageProblem(f"{given!r} is not an id")
    return given


def _host(name: str) -> str:
    if not is_host_name(name):
        raise UsageProblem(f"{name!r} {HOST_NAME_SHAPE}")
    return name
