"""What every request needs, once per application: settings, store, dispatcher and clock."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from flask import current_app

from coordinator.analysis.runs.comparison import Measured
from coordinator.analysis.trials.cache import Sparing, VersionedCache
from coordinator.config import Settings
from coordinator.scheduling.dispatch import Dispatcher
from coordinator.store.rows.database import Store
from coordinator.trouble import Watch
from domain.probes.stacks import Stacks
from domain.reports.looks import Exactness
from domain.reports.outcome import Tally
from domain.reports.report import CampaignReport
from domain.runs.combination import Run
from domain.runs.comparison import MOST_IN_ALL
from domain.runs.host_factor import HostFactor
from domain.runs.trend import TrendReport
from domain.runs.trust import Trust

EXTENSION = "showdown"
_REPORTED = 5_000  # entries of all reports in the cache, 1 to 4 kB each; that of an ended campaign is stored


@dataclass(frozen=True)
class Services:
    """``clock`` gives seconds since the epoch, UTC."""

    settings: Settings
    store: Store
    dispatcher: Dispatcher
    clock: Callable[[], float]
    watch: Watch
    reports: VersionedCache[CampaignReport] = field(default_factory=lambda: VersionedCache(_REPORTED, _entries))
    measured: VersionedCache[Measured] = field(default_factory=lambda: VersionedCache(MOST_IN_ALL))
    host_factors: VersionedCache[HostFactor] = field(default_factory=lambda: VersionedCache(16))
    runs: VersionedCache[Run] = field(default_factory=lambda: VersionedCache(100))
    announced: Sparing = field(default_factory=Sparing)
    exactness: VersionedCache[Exactness | None] = field(default_factory=lambda: VersionedCache(32))
    tallies: VersionedCache[Tally] = field(default_factory=lambda: VersionedCache(256))
    trends: VersionedCache[TrendReport] = field(default_factory=lambda: VersionedCache(40))
    trust: VersionedCache[Trust] = field(default_factory=lambda: VersionedCache(1))
    # By cell; a few megabytes each.
    stacks: VersionedCache[dict[str, Stacks]] = field(default_factory=lambda: VersionedCache(4))


def _entries(report: CampaignReport) -> int:
    explained = (report.decompositions, report.differences)
    return 100 + sum(map(len, (report.results, report.verdicts, report.carrying, report.invalid, *explained)))


def services() -> Services:
    """The current application's services."""
    return cast(Services, current_app.extensions[EXTENSION])
