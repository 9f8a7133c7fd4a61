"""What a client may ask of the service besides campaigns: hosts, tokens, schedules, rules, trends, the quarantine."""

from collections.abc import Iterator
from typing import Any

from deploy.cli.errors import UsageProblem
from deploy.cli.rest.answers import read_answer, read_entries
from deploy.cli.rest.connection import Connection, host_of, segment_of
from domain.runs.notice import NewNotice, Notice, NoticeChanges
from domain.runs.rule import NewRule, Rule, RuleChanges
from domain.runs.schedule import NewSchedule
from domain.runs.trend import TrendReport
from domain.trials.traits import TraitMatrix
from domain.values.names import is_token_name


def _given(**texts: str) -> dict[str, str]:
    """Those that are not empty."""
    return {name: text for name, text in texts.items() if text}


class ServiceMethods(Connection):
    """The methods that concern no single campaign."""

    def hosts(self) -> list[dict[str, Any]]:
        """Every host, by name."""
        found: list[dict[str, Any]] = self._ask("GET", "hosts")["hosts"]
        return found

    def enrolments(self) -> dict[str, Any]:
        """All ``hosts``, and in ``enrolments`` which of them have a token."""
        return self._ask("GET", "hosts")

    def enrol(self, host: str, *, replace: bool = False) -> dict[str, Any]:
        """Make a token for a host; the answer has its ``host`` and ``token``."""
        return self._ask("POST", f"hosts/{host_of(host)}/enrolment", json={"replace": replace})

    def revoke(self, host: str) -> None:
        """Make a host's token void."""
        self._ask("DELETE", f"hosts/{host_of(host)}/enrolment")

    def drain(self, host: str) -> None:
        """Give a host no new blocks."""
        self._ask("POST", f"hosts/{host_of(host)}/drain")

    def undrain(self, host: str) -> None:
        """Give a drained host blocks again."""
        self._ask("POST", f"hosts/{host_of(host)}/undrain")

    def remove(self, host: str) -> None:
        """Forget a host."""
        self._ask("DELETE", f"hosts/{host_of(host)}")

    def matrix(self, host: str) -> TraitMatrix:
        """What each datapath of a host preserves and supports; raises :class:`UsageProblem` before it was tested."""
        return read_answer(TraitMatrix, self._ask("GET", f"hosts/{host_of(host)}/matrix"), "the matrix")

    def me(self) -> dict[str, Any]:
        """Who the token belongs to, and its scope."""
        return self._ask("GET", "me")

    def audit(self, **filters: str | int) -> Iterator[dict[str, Any]]:
        """Who changed what, the newest first; the filters are parameters of ``GET /audit``."""
        return self._pages("audit", "entries", filters)

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

    def quarantine(self) -> dict[str, Any]:
        """What is set aside, the newest first."""
        return self._ask("GET", "quarantine")

    def release(self, kind: str, name: str) -> dict[str, Any]:
        """Try again with one thing that is set aside; the answer is what is left."""
        if not name.replace("-", "").replace(".", "").isalnum():
            raise UsageProblem(f"{name!r} is no campaign's id and no host's name")
        return self._ask("POST", f"quarantine/{kind}/{name}/release")

    def schedules(self) -> dict[str, Any]:
        """Every schedule, by name."""
        return self._ask("GET", "schedules")

    def add_schedule(self, wanted: NewSchedule) -> dict[str, Any]:
        """Add a schedule."""
        return self._ask_once("schedules", json=wanted.model_dump(mode="json", exclude_none=True))

    def change_schedule(self, schedule_id: str, action: str) -> dict[str, Any]:
        """``pause``, ``resume``, ``run`` or ``remove`` a schedule."""
        path = f"schedules/{segment_of(schedule_id)}"
        if action == "run":
            return self._ask_once(f"{path}/run")
        if action == "remove":
            return self._ask("DELETE", path)
        return self._ask("PATCH", path, json={"paused": action == "pause"})

    def series(self, *, search: str = "", host: str = "", label: str = "") -> dict[str, Any]:
        """Series of campaigns, the one with the newest campaign first; by name, host or label of a campaign."""
        return self._ask("GET", "series", params=_given(q=search, host=host, label=label))

    def all_series(self, *, search: str = "", host: str = "", label: str = "") -> Iterator[dict[str, Any]]:
        """Every such series, page after page."""
        return self._pages("series", "series", _given(q=search, host=host, label=label))

    def trends(self, series_id: str) -> TrendReport:
        """A series with all its trends."""
        data = self._ask("GET", f"series/{segment_of(series_id)}")
        return read_answer(TrendReport, data, "the trends")

    def rules(self) -> list[Rule]:
        """Every rule, the oldest first."""
        return read_entries(Rule, self._ask("GET", "rules")["rules"], "the list of rules")

    def rule(self, rule_id: str) -> Rule:
        """A rule with its newest events."""
        return read_answer(Rule, self._ask("GET", f"rules/{segment_of(rule_id)}"), "the rule")

    def add_rule(self, wanted: NewRule) -> Rule:
        """Watch a trend."""
        data = self._ask_once("rules", json=wanted.model_dump(mode="json", exclude_none=True))
        return read_answer(Rule, data, "the rule")

    def change_rule(self, rule_id: str, changes: RuleChanges) -> Rule:
        """Change the named fields of a rule."""
        wanted = changes.model_dump(mode="json", exclude_unset=True)
        return read_answer(Rule, self._ask("PATCH", f"rules/{segment_of(rule_id)}", json=wanted), "the rule")

    def remove_rule(self, rule_id: str) -> Rule:
        """Forget a rule; returns what it was."""
        return read_answer(Rule, self._ask("DELETE", f"rules/{segment_of(rule_id)}"), "the rule")

    def notices(self) -> list[Notice]:
        """Every notice, the oldest first."""
        return read_entries(Notice, self._ask("GET", "notices")["notices"], "the list of notices")

    def notice(self, notice_id: str) -> Notice:
        """A notice with its newest events."""
        return read_answer(Notice, self._ask("GET", f"notices/{segment_of(notice_id)}"), "the notice")

    def add_notice(self, wanted: NewNotice) -> Notice:
        """Report the ends of campaigns."""
        data = self._ask_once("notices", json=wanted.model_dump(mode="json", exclude_none=True))
        return read_answer(Notice, data, "the notice")

    def change_notice(self, notice_id: str, changes: NoticeChanges) -> Notice:
        """Change the named fields of a notice."""
        wanted = changes.model_dump(mode="json", exclude_unset=True)
        return read_answer(Notice, self._ask("PATCH", f"notices/{segment_of(notice_id)}", json=wanted), "the notice")

    def remove_notice(self, notice_id: str) -> Notice:
        """Forget a notice; returns what it was."""
        return read_answer(Notice, self._ask("DELETE", f"notices/{segment_of(notice_id)}"), "the notice")
