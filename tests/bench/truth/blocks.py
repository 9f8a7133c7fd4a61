"""Campaigns on this host, without coordinator and broker: with the product's planner, runner and analysis."""

import secrets
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from coordinator.analysis.reports.report import build_report
from coordinator.analysis.trials.campaign_results import CampaignResults
from coordinator.scheduling.lifecycle import accepted_attempt
from coordinator.scheduling.planner import plan
from coordinator.scheduling.records import AttemptRecord
from domain.campaigns.campaign import Campaign
from domain.loads.load import Load, OpenLoad
from domain.probes.sample import Point
from domain.reports.report import CampaignReport
from domain.service.jobs import BlockJob
from domain.trials.block import Block, PlannedBlock
from domain.trials.trial import MAX_ATTEMPTS, BlockResult, TrialResult
from probes.profiler import Profiler
from tests.unwatched import NoProbes
from workers.datapaths.base import Datapath
from workers.lab.cleanup import CleanupRegister
from workers.lab.lab import Lab
from workers.origins.own import TrafficOrigin
from workers.runner.runner import BlockRunner
from workers.runner.trial_run import Origin, RunnerContext
from workers.traffic.base import GeneratorPlan
from workers.traffic.showdown_traffic import ShowdownTraffic
from workers.workloads._own import OwnWorkload
from workers.workloads.base import Workload
from workers.workloads.http_keepalive import HttpKeepalive

HOST = "bench"
SEED = 11
DONE = "done"
WARM_UP_S = 0.2


class OwnKeepalive(OwnWorkload):
    """``http_keepalive`` from the project's own origin, which can have a known capacity or delay."""

    name = HttpKeepalive.name
    summary = HttpKeepalive.summary
    parameters = HttpKeepalive.parameters


class NoTelemetry:
    """Drops every point."""

    def put(self, point: Point) -> None:
        """See Stream."""


def own_origin(workload: Workload, plan: GeneratorPlan, lab: Lab) -> Origin:
    """The project's own origin, on every CPU."""
    return TrafficOrigin(lab, workload.service)


@dataclass
class Patience:
    """Attempts of a block: as in campaigns. The quick form has one, because each waits for a quiet host."""

    attempts: int = MAX_ATTEMPTS


patience = Patience()
OriginOf = Callable[[Workload, GeneratorPlan, Lab], Origin]


@contextmanager
def context(datapaths: Mapping[str, Datapath], origin: OriginOf = own_origin) -> Iterator[RunnerContext]:
    """What blocks are run with: everything is real but probes and telemetry, which this bench does not need."""
    with tempfile.TemporaryDirectory(prefix="showdown-bench-") as directory:
        yield RunnerContext(
            name=HOST,
            register=CleanupRegister(Path(directory)),
            datapaths=datapaths,
            workloads={OwnKeepalive.name: OwnKeepalive()},
            generators={ShowdownTraffic.name: ShowdownTraffic()},
            probing=NoProbes(),
            profiling=Profiler(),
            telemetry=NoTelemetry(),
            origin=origin,
        )


@dataclass
class Measured:
    """A campaign's attempts so far, and what the product's analysis says about them."""

    campaign: Campaign
    attempts: list[AttemptRecord] = field(default_factory=list)
    wall_s: float = 0.0

    @property
    def data(self) -> CampaignResults:
        """What the analysis reads."""
        return CampaignResults(self.campaign, self.attempts, SEED, {})

    @property
    def report(self) -> CampaignReport:
        """The whole analysis."""
        return build_report(self.campaign, {"seed": SEED}, self.attempts)

    def trials(self, label: str, level: str = "") -> list[TrialResult]:
        """Every trial of a label in accepted attempts, at one level or at all."""
        results = [a.result for a in self.attempts if a.accepted and a.result is not None and level in ("", a.level)]
        return [trial for result in results for trial in result.trials if trial.datapath == label]

    @property
    def why_invalid(self) -> str:
        """The reasons against trials of accepted attempts, the most frequent first: ``interference ×4, steal ×1``."""
        trials = [trial for label in self.campaign.labels for trial in self.trials(label)]
        counts = Counter(str(reason) for trial in trials for reason in trial.validity.reasons)
        return ", ".join(f"{reason} ×{count}" for reason, count in counts.most_common()) or "no reason"

    def requests(self, label: str) -> int:
        """Requests of all attempts, including those that do not count and the warm-up."""
        trials = [t for a in self.attempts if a.result for t in a.result.trials if t.datapath == label]
        return sum(trial.proof.requests for trial in trials if trial.proof is not None)


def run_campaign(campaign: Campaign, host: RunnerContext, until_s: float | None = None) -> Measured:
    """Run the planned blocks, each up to three times if its environment was disturbed.

    After ``until_s`` no further block begins. Raises what the runner raises.
    """
    measured, began = Measured(campaign), time.monotonic()
    for planned in plan(campaign, [HOST], SEED):
        if until_s is not None and time.monotonic() - began >= until_s:
            break
        measured.attempts += attempts_of(planned, campaign, host)
    measured.wall_s = time.monotonic() - began
    return measured


def attempts_of(planned: PlannedBlock, campaign: Campaign, host: RunnerContext) -> list[AttemptRecord]:
    """The attempts of one block; the one that counts is accepted."""
    block = Block.model_validate(planned.model_dump())
    results = tried(block, host, campaign.slice_s_at(planned.load), campaign.warm_up_s)
    chosen = accepted_attempt([(number, not one.environment) for number, one in enumerate(results, start=1)])
    name = f"b-{planned.index}"
    return [
        AttemptRecord(
            planned.index, name, planned.workload, planned.level, number, HOST, DONE, "", number == chosen, result
        )
        for number, result in enumerate(results, start=1)
    ]


def tried(block: Block, host: RunnerContext, slice_s: float, warm_up_s: float = WARM_UP_S) -> list[BlockResult]:
    """The attempts of a block, until one has a sound environment or all have been used."""
    results: list[BlockResult] = []
    while len(results) < patience.attempts and (not results or results[-1].environment):
        job = BlockJob(
            campaign_id="bench", campaign_name="bench", block_id=f"truth-{secrets.token_hex(4)}",
            attempt=len(results) + 1, lease="x", block=block, slice_s=slice_s, warm_up_s=warm_up_s, probes=(),
        )  # fmt: skip
        results.append(BlockRunner(job, host).run())
    return results


def a_block(loads: Mapping[str, Load], slices: int) -> Block:
    """A block of the labels, each at its own load, slice by slice in turns."""
    labels = tuple(loads)
    order = tuple(label for turn in range(slices) for label in (labels if turn % 2 == 0 else labels[::-1]))
    rates = {label: load for label, load in loads.items() if isinstance(load, OpenLoad)}
    return Block(
        index=0, workload=OwnKeepalive.name, level="level", datapaths=labels, order=order, host=HOST,
        load=max(rates.values(), key=lambda load: load.rate_per_s, default=next(iter(loads.values()))), loads=rates,
    )  # fmt: skip
