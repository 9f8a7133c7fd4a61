"""The accepted attempts of a campaign by cell: trials, figures and log-ratios. Pure; other modules interpret them.

It has no calibration attempts, and of a search for a capacity only its result.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from coordinator.analysis.compared import Compared, compared
from coordinator.analysis.pooling import Fingerprints, exclusion, lasting_facts, left_out
from coordinator.scheduling.records import AttemptRecord
from coordinator.scheduling.saturation import Bracket, initial_brackets, replay_steps
from domain.campaign import Campaign, Cell
from domain.load import CapacityLoad, OpenLoad, load_text
from domain.metric import Metric
from domain.names import LIMIT, LIMIT_BEFORE_ROLES, datapath_of
from domain.report import Calibration
from domain.trial import BlockResult, TrialResult

UNKNOWN_FUNCTION = "unknown"


@dataclass(frozen=True)
class CampaignResults:
    """The accepted attempts by cell."""

    campaign: Campaign
    attempts: Sequence[AttemptRecord]
    bootstrap_seed: int
    calibration: Mapping[str, Calibration]
    _searches: dict[tuple[str, str], list[dict[str, Bracket]]] = field(default_factory=dict)
    _compared: dict[tuple[str, str, Metric], Compared] = field(default_factory=dict)
    _figures: dict[tuple[int, Metric], float | None] = field(default_factory=dict)

    @cached_property
    def blocks(self) -> dict[tuple[str, str], list[dict[str, TrialResult]]]:
        """Per (workload, level), one mapping from label to trial for each accepted attempt, in block order.

        No trial of a block counts if the environment disturbed one of them, or if the block ran on another host or
        software than most: each of its trials then has a finding that says so.
        """
        blocks: dict[tuple[str, str], list[dict[str, TrialResult]]] = {}
        for attempt in sorted(self.attempts, key=lambda a: (a.block_index, a.attempt)):
            if attempt.accepted and attempt.result is not None and not attempt.calibration and not attempt.search:
                trials = self.trials_of(attempt.result)
                blocks.setdefault((attempt.workload, attempt.level), []).append(trials)
        return blocks

    def trials_of(self, result: BlockResult) -> dict[str, TrialResult]:
        """The trials of a block by label, with a finding against each if the block does not count."""
        why = exclusion(result, self.fingerprints.reference)
        return {trial.datapath: left_out(trial, why) for trial in result.trials}

    @cached_property
    def fingerprints(self) -> Fingerprints:
        """The fingerprints of the accepted attempts, and the one whose blocks are analysed together."""
        return Fingerprints.of(
            [
                (attempt.block_index, attempt.result.fingerprint)
                for attempt in sorted(self.attempts, key=lambda a: (a.block_index, a.attempt))
                if attempt.accepted and attempt.result is not None and not attempt.calibration
            ]
        )

    @cached_property
    def functions(self) -> dict[str, str]:
        """Each datapath's function, from its trials."""
        return {
            datapath_of(trial.datapath): trial.function
            for attempt in self.attempts
            if attempt.result is not None
            for trial in attempt.result.trials
        }

    def function(self, label: str) -> str:
        """The function of a label; ``unknown`` before its first trial."""
        return self.functions.get(datapath_of(label), UNKNOWN_FUNCTION)

    @cached_property
    def roles(self) -> dict[str, str]:
        """Each datapath's role, as its trials state it; results from before roles have that of their name."""
        named = {LIMIT_BEFORE_ROLES: LIMIT}
        return {
            name: named.get(name, "") if trial.role is None else trial.role
            for attempt in self.attempts
            if attempt.result is not None
            for trial in attempt.result.trials
            for name in [datapath_of(trial.datapath)]
        }

    def role(self, label: str) -> str:
        """The role of a label; empty before its first trial. A second copy (A/A) has none."""
        return self.roles.get(label, "")

    @property
    def limit(self) -> str | None:
        """The label that others are shown as a share of, if the campaign has one."""
        return next((label for label in self.campaign.labels if self.role(label) == LIMIT), None)

    def trials(self, cell: Cell) -> list[TrialResult]:
        """Every trial of one cell that belongs to an accepted attempt."""
        blocks = self.blocks.get((cell.workload, cell.level), [])
        return [block[cell.datapath] for block in blocks if cell.datapath in block]

    def search_trials(self, cell: Cell) -> list[TrialResult]:
        """The valid trials in the steps of a capacity level."""
        steps = [a.result for a in self.attempts if (a.workload, a.level) == (cell.workload, cell.level) and a.search]
        trials = [trial for result in steps if result is not None for trial in result.trials]
        return [trial for trial in trials if trial.datapath == cell.datapath and trial.validity.valid]

    def searches(self, cell: Cell) -> list[dict[str, Bracket]]:
        """Per search of a capacity level, the present bracket of each datapath; empty before the calibration."""
        key = cell.workload, cell.level
        if key not in self._searches:
            self._searches[key] = self._brackets(*key)
        return self._searches[key]

    def _brackets(self, workload: str, level: str) -> list[dict[str, Bracket]]:
        slo, found = self.campaign.levels[level], self.calibration.get(workload)
        if not isinstance(slo, CapacityLoad) or found is None or not found.capacities_per_s:
            return []
        steps = [a for a in self.attempts if (a.workload, a.level) == (workload, level) and a.search]
        found_brackets = []
        for chain in range(self.campaign.blocks):
            ours = [attempt for attempt in steps if attempt.search and attempt.search.chain == chain]
            start = initial_brackets(self.campaign, found.capacities_per_s, self.bootstrap_seed, workload, level, chain)
            other = self._other_fingerprint(ours)
            brackets = replay_steps(slo, start, ours)
            found_brackets.append({label: replace(one, lost=other or one.lost) for label, one in brackets.items()})
        return found_brackets

    def _other_fingerprint(self, steps: Sequence[AttemptRecord]) -> str:
        """Why a search does not count because of where it ran; empty if it counts."""
        results = [a.result for a in steps if a.result is not None]
        others = [one for one in results if lasting_facts(one.fingerprint) != self.fingerprints.reference]
        return "its search ran with another fingerprint than most blocks" if others else ""

    def compared(self, workload: str, level: str, metric: Metric) -> Compared:
        """The datapaths that are compared at a level by ``metric``, and their figures in the blocks that count."""
        key = workload, level, metric
        if key not in self._compared:
            self._compared[key] = compared(self._by_block(workload, level, metric), self.campaign.labels)
        return self._compared[key]

    def _by_block(self, workload: str, level: str, metric: Metric) -> list[dict[str, float | None]]:
        """One mapping per block or search: each label's figure, ``None`` without a valid trial that has it."""
        labels = self.campaign.labels
        if metric is Metric.SLO_CAPACITY_PER_S:
            cell = Cell(datapath=labels[0], workload=workload, level=level)
            return [{label: one[label].figure_per_s for label in labels} for one in self.searches(cell)]
        blocks = self.blocks.get((workload, level), [])
        return [{label: self.figure(block.get(label), metric) for label in labels} for block in blocks]

    def figures(self, cell: Cell, metric: Metric) -> list[float]:
        """A cell's figures in the blocks that count; of a datapath that is not compared, all that it has."""
        found = self.compared(cell.workload, cell.level, metric)
        if cell.datapath in found.labels:
            return [row[cell.datapath] for row in found.rows]
        own = (block[cell.datapath] for block in self._by_block(cell.workload, cell.level, metric))
        return [figure for figure in own if figure is not None]

    def log_ratios(self, cell: Cell, reference: str, metric: Metric) -> list[float]:
        """One log-ratio per block or search that counts; empty if one of the two is not compared there."""
        return self.compared(cell.workload, cell.level, metric).logs(cell.datapath, reference)

    def figure(self, trial: TrialResult | None, metric: Metric) -> float | None:
        """One figure of a valid trial, cached: a percentile takes milliseconds, and many comparisons need it."""
        # A CPU cost of zero or less means that the idle baseline exceeds the measurement. It has no logarithm, and is
        # no figure.
        if trial is None or not trial.validity.valid:
            return None
        key = id(trial), metric
        if key not in self._figures:
            percentile = metric.percentile
            value = _latency_us(trial, percentile) if percentile is not None else getattr(trial, metric.value)
            self._figures[key] = value if value is not None and 0 < value < math.inf else None
        return self._figures[key]

    def load(self, workload: str, level: str) -> str:
        """A level as shown to users: a share of capacity has its rate."""
        found = self.calibration.get(workload)
        return load_text(self.campaign.levels[level], found.rates_per_s.get(level) if found else None)

    def asked_per_s(self, workload: str, level: str) -> int | None:
        """The scheduled rate of an open level or a share, its mean if it changes; ``None`` for other levels."""
        load, found = self.campaign.levels[level], self.calibration.get(workload)
        if isinstance(load, OpenLoad):
            return load.mean_per_s
        return found.rates_per_s.get(level) if found else None


def _latency_us(trial: TrialResult, percentile: float) -> float | None:
    """``None`` if no request lies beyond the percentile, because it would equal the maximum."""
    count = trial.latency.count if trial.latency is not None else 0
    return trial.latency_us(percentile) if count * (100 - percentile) >= 100 - 1e-6 else None
