"""A client of the coordinator's REST interface, for the command line and for programs (docs/exports.md)."""

import math
import time
from collections.abc import Callable, Iterator
from typing import IO, Any

from deploy.cli.errors import CommandError
from deploy.cli.rest.answers import read_answer
from deploy.cli.rest.client_service import ServiceMethods
from deploy.cli.rest.connection import segment_of, trial_of
from domain.reports.report import CampaignReport
from domain.runs.combination import Combination
from domain.runs.comparison import Comparison
from domain.runs.host_factor import HostFactor
from domain.runs.keeping import KeepingChanges
from domain.runs.trust import Trust

STATES = ("queued", "running", "cancelling", "complete", "failed", "cancelled")
ENDED = frozenset({"complete", "failed", "cancelled"})
CANCELLABLE = ("running", "queued")
TABLES = ("results", "verdicts", "expectations", "carrying", "figures")
"""The lists of a report that the coordinator has as CSV files."""
TRIALS_OF_A_PAGE = 200


class Coordinator(ServiceMethods):
    """A coordinator at ``url``, with a user's ``token``.

    Every method raises :class:`Unreachable` (no answer, or the token is refused), :class:`UsageProblem` (no such
    campaign), :class:`CampaignInvalid` or :class:`CommandError` (an unexpected answer).
    """

    def submit(self, toml: str) -> dict[str, Any]:
        """Submit a campaign; the answer has its ``id``. If the answer is lost, it asks once more, for the same one."""
        return self._ask_once("campaigns", content=toml.encode(), headers={"Content-Type": "application/toml"})

    def plan(self, toml: str) -> dict[str, Any]:
        """The plan of a campaign that is not submitted."""
        return self._ask("POST", "campaigns/plan", content=toml.encode(), headers={"Content-Type": "application/toml"})

    def campaign(self, campaign_id: str) -> dict[str, Any]:
        """A campaign with its state and progress."""
        return self._ask("GET", f"campaigns/{segment_of(campaign_id)}")

    def campaigns(self, **filters: str | int) -> dict[str, Any]:
        """The newest campaigns that match the filters: parameters of ``GET /campaigns``."""
        return self._ask("GET", "campaigns", params=filters)

    def all_campaigns(self, **filters: str | int) -> Iterator[dict[str, Any]]:
        """Every campaign that matches the filters, the newest first."""
        return self._pages("campaigns", "campaigns", filters)

    def wait(
        self,
        campaign_id: str,
        *,
        timeout_s: float = math.inf,
        each_s: float = 2.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> dict[str, Any]:
        """Wait for the end of a campaign; returns it. Raises ``TimeoutError`` if that takes longer than ``timeout_s``.

        The outcome is beside the state. A campaign that waits for its user does not end.
        """
        waited_s = 0.0
        while (found := self.campaign(campaign_id)).get("state") not in ENDED:
            if waited_s >= timeout_s:
                raise TimeoutError(f"campaign {campaign_id} is {found.get('state')} after {timeout_s:g} s")
            sleep(each_s)
            waited_s += each_s
        return found

    def cancel(self, campaign_id: str) -> dict[str, Any]:
        """Request the cancellation of a campaign; its state shows when it is cancelled."""
        return self._ask("POST", f"campaigns/{segment_of(campaign_id)}/cancel")

    def pause(self, campaign_id: str) -> dict[str, Any]:
        """Begin no more blocks of a campaign until it is resumed."""
        return self._ask("POST", f"campaigns/{segment_of(campaign_id)}/pause")

    def resume(self, campaign_id: str) -> dict[str, Any]:
        """Go on with a paused campaign."""
        return self._ask("POST", f"campaigns/{segment_of(campaign_id)}/resume")

    def change(self, campaign_id: str, changes: KeepingChanges) -> dict[str, Any]:
        """Change labels, note or archive of a campaign; what ``changes`` leaves out stays."""
        wanted = changes.model_dump(mode="json", exclude_unset=True)
        return self._ask("PATCH", f"campaigns/{segment_of(campaign_id)}", json=wanted)

    def delete(self, campaign_id: str) -> dict[str, Any]:
        """Delete an ended campaign for good; repeated, its telemetry is tried again. The answer says what is left."""
        return self._ask("DELETE", f"campaigns/{segment_of(campaign_id)}")

    def report(self, campaign_id: str) -> CampaignReport:
        """The campaign's present report."""
        data = self._ask("GET", f"campaigns/{segment_of(campaign_id)}/report")
        return read_answer(CampaignReport, data, f"the report of {campaign_id}")

    def save_html(self, campaign_id: str, file: IO[bytes]) -> None:
        """Write the report as one HTML file, which needs no server."""
        self._download(f"{self.page(campaign_id)}/report.html", file)

    def save_bundle(self, campaign_id: str, file: IO[bytes]) -> None:
        """Write the signed bundle of a campaign that has ended: raw trials and report, for 'showdown verify'."""
        self._download(f"campaigns/{segment_of(campaign_id)}/bundle.tar.gz", file)

    def save_histogram_log(self, campaign_id: str, cell: str, file: IO[bytes]) -> None:
        """Write the times of a cell, ``datapath.workload.level``, as a log of HDR histograms."""
        self._download(f"campaigns/{segment_of(campaign_id)}/histograms.hlog", file, cell=cell)

    def save_table(self, campaign_id: str, table: str, file: IO[bytes]) -> None:
        """Write one of :data:`TABLES` of the report as CSV."""
        self._download(f"campaigns/{segment_of(campaign_id)}/{segment_of(table)}.csv", file)

    def save_trials(self, campaign_id: str, file: IO[bytes]) -> None:
        """Write every trial with its evidence, valid or not, as JSON; histograms are in the logs."""
        self._download(f"campaigns/{segment_of(campaign_id)}/trials", file)

    def trials(self, campaign_id: str) -> Iterator[dict[str, Any]]:
        """Every trial with its evidence, valid or not, by block, attempt and position."""
        path = f"campaigns/{segment_of(campaign_id)}/trials"
        return self._pages(path, "trials", {"limit": TRIALS_OF_A_PAGE}, by="after")

    def trial_ids(self, campaign_id: str) -> Iterator[str]:
        """The id of every trial, in the order of :meth:`trials`."""
        for one in self.trials(campaign_id):
            try:
                yield trial_of(one["id"])
            except (KeyError, TypeError, AttributeError) as error:
                raise CommandError("a trial has no id; is the coordinator of the same version?") from error

    def trial(self, trial_id: str) -> dict[str, Any]:
        """One trial with its evidence."""
        return self._ask("GET", f"trials/{trial_of(trial_id)}")

    def save_trial_log(self, trial_id: str, file: IO[bytes]) -> None:
        """Write the times of a trial as a log of HDR histograms; raises :class:`UsageProblem` if it has none."""
        self._download(f"trials/{trial_of(trial_id)}/histograms.hlog", file)

    def compare(self, baseline: str, *others: str) -> Comparison:
        """Campaigns side by side with a baseline; each side may be a list of ids with ',' between them."""
        data = self._ask("GET", "compare", params={"baseline": baseline, "other": ";".join(others)})
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
        data = self._ask("GET", f"campaigns/{segment_of(campaign_id)}/hosts")
        return read_answer(HostFactor, data, f"the hosts of {campaign_id}")

    def shares(self, campaign_id: str) -> dict[str, Any]:
        """The read-only links to a campaign, without their secrets."""
        return self._ask("GET", f"campaigns/{segment_of(campaign_id)}/shares")

    def create_share(self, campaign_id: str, *, days: int | None = None) -> dict[str, Any]:
        """Create a read-only link to a campaign; the answer has its ``url``."""
        return self._ask_once(f"campaigns/{segment_of(campaign_id)}/shares", json={"days": days})

    def revoke_share(self, campaign_id: str, share_id: str) -> None:
        """Make a link void."""
        self._ask("DELETE", f"campaigns/{segment_of(campaign_id)}/shares/{segment_of(share_id)}")

    def page(self, campaign_id: str) -> str:
        """The address of the campaign's page."""
        return f"{self.url}/campaigns/{segment_of(campaign_id)}"
