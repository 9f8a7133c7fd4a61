"""The accepted attempts of a campaign by cell: trials, figures and log-ratios. Pure; other modules interpret them.

It has no calibration attempts, and of a search for a capacity only its result.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from coordinator.analysis.inference.statistics import Estimate, student_t
from coordinator.analysis.inference.weights import Noise, noise_of
from coordinator.analysis.trials.block_trials import LeftOutTrials, words_of
from coordinator.analysis.trials.compared import Compared, Table, compared, table_of
from coordinator.analysis.trials.digest import with_digest
from coordinator.analysis.trials.level_trials import LevelTrials, Mask
from coordinator.analysis.trials.outcome import is_carried
from coordinator.analysis.trials.pool import NO_POOL, Growing, Pool, PoolKey, pool_of
from coordinator.analysis.trials.pooling import Fingerprints, exclusion, lasting_id
from coordinator.scheduling.digests import BlockDigest, TrialDigest, TrialWords
from coordinator.scheduling.records import AttemptRecord
from coordinator.scheduling.saturation import Search, initial_searches, replay_steps
from domain.campaigns.campaign import Campaign, Cell
from domain.campaigns.cells import cell_at
from domain.campaigns.focus import focus_at
from domain.campaigns.margins import margin_of
from domain.loads.load import CapacityLoad, OpenLoad, load_text
from domain.loads.metric import SHARE_METRICS, Metric
from domain.reports.calibration import Calibration
from domain.values.names import LIMIT, LIMIT_BEFORE_ROLES, datapath_of

UNKNOWN_FUNCTION = "unknown"


@dataclass(frozen=True)
class CampaignResults:
    """The accepted attempts by cell.

    ``pools`` are the pooled times, if they are stored; else they are summed here, from the attempts' results.
    """

    campaign: Campaign
    attempts: Sequence[AttemptRecord]
    bootstrap_seed: int
    calibration: Mapping[str, Calibration]
    pools: Mapping[PoolKey, Pool] | None = None
    _searches: dict[tuple[str, str], list[dict[str, Search]]] = field(default_factory=dict)
    _compared: dict[tuple[str, str, Metric, tuple[str, ...]], Compared] = field(default_factory=dict)
    _pools: dict[PoolKey, Pool] = field(default_factory=dict)
    _levels: dict[tuple[str, str], LevelTrials] = field(default_factory=dict)
    _trials: dict[tuple[str, str, str], Sequence[TrialDigest]] = field(default_factory=dict)
    # What many comparisons share; a key is workload, level, label, reference, metric.
    _contrasts: dict[tuple[str, ...], list[float]] = field(default_factory=dict)
    _estimates: dict[tuple[str, ...], Estimate | None] = field(default_factory=dict)
    _noises: dict[tuple[str, str, Metric], Noise | None] = field(default_factory=dict)
    _loads: dict[tuple[str, str], str] = field(default_factory=dict)
    episodes: dict[tuple[str, str, Metric, str], tuple[int | None, int]] = field(default_factory=dict)  # see slow.py
    declaring: dict[tuple[str, str], bool] = field(default_factory=dict)  # see declared.py

    @cached_property
    def records(self) -> list[AttemptRecord]:
        """The attempts with their digests, as they were given."""
        return [with_digest(self.campaign, attempt) for attempt in self.attempts]

    @cached_property
    def in_order(self) -> list[AttemptRecord]:
        """The attempts with their digests, by block and number."""
        return sorted(self.records, key=lambda a: (a.block_index, a.attempt))

    @cached_property
    def blocks(self) -> dict[tuple[str, str], list[Mapping[str, TrialDigest]]]:
        """Per (workload, level), one mapping from label to trial for each accepted attempt, in block order.

        No trial of a block counts if the environment disturbed one of them, or if the block ran on another host or
        software than most. Each of its trials then has a finding that says so.
        """
        blocks: dict[tuple[str, str], list[Mapping[str, TrialDigest]]] = {}
        for attempt in self.in_order:
            if attempt.accepted and attempt.digest is not None and not attempt.calibration and not attempt.search:
                trials = self.trials_of(attempt.digest)
                blocks.setdefault((attempt.workload, attempt.level), []).append(trials)
        return blocks

    def trials_of(self, block: BlockDigest) -> Mapping[str, TrialDigest]:
        """The trials of a block by label, with a finding against each if the block does not count."""
        why = exclusion(block, self.fingerprints.reference)
        return block.trials if why is None else LeftOutTrials(block.trials, why)

    def level(self, workload: str, level: str) -> LevelTrials:
        """Those trials of one level as a table."""
        key = workload, level
        if key not in self._levels:
            self._levels[key] = LevelTrials(self.blocks.get(key, []), self.campaign.labels)
        return self._levels[key]

    @cached_property
    def fingerprints(self) -> Fingerprints:
        """The fingerprints of the accepted attempts, and the one whose blocks are analysed together."""
        return Fingerprints.of(
            [
                (attempt.block_index, attempt.digest.fingerprint)
                for attempt in self.in_order
                if attempt.accepted and attempt.digest is not None and not attempt.calibration
            ]
        )

    @cached_property
    def _words(self) -> dict[str, TrialWords]:
        """Of each datapath, the words of its last trial."""
        found: dict[str, TrialWords] = {}
        for attempt in self.records:
            if attempt.digest is not None:
                found.update(words_of(attempt.digest.trials))
        return found

    def function(self, label: str) -> str:
        """The function of a label; ``unknown`` before its first trial."""
        words = self._words.get(datapath_of(label))
        return words.function if words is not None else UNKNOWN_FUNCTION

    def role(self, label: str) -> str:
        """The role of a label, as its trials state it; empty before its first trial. A second copy (A/A) has none.

        Results from before roles have that of their name.
        """
        words = self._words.get(label)
        if words is None:
            return ""
        return (LIMIT if label == LIMIT_BEFORE_ROLES else "") if words.role is None else words.role

    def over(self, label: str) -> str:
        """The label of this campaign that a label is priced over besides the limit; empty if there is none."""
        words = self._words.get(label)
        return words.over if words is not None and words.over in self.campaign.labels else ""

    @cached_property
    def limit(self) -> str | None:
        """The label that others are shown as a share of, if the campaign has one."""
        return next((label for label in self.campaign.labels if self.role(label) == LIMIT), None)

    def trials(self, cell: Cell) -> Sequence[TrialDigest]:
        """Every trial of one cell that belongs to an accepted attempt."""
        key = cell.workload, cell.level, cell.datapath
        if key not in self._trials:
            self._trials[key] = self.level(*key[:2]).cell(cell.datapath)
        return self._trials[key]

    def pool(self, cell: Cell) -> Pool:
        """The pooled times of a cell's trials."""
        key = PoolKey(cell.workload, cell.level, cell.datapath, self._reference)
        if self.pools is not None:
            return self.pools.get(key, NO_POOL)
        if key not in self._pools:
            self._pools[key] = pool_of((trial, is_carried(trial) is False) for trial in self.trials(cell))
        return self._pools[key]

    @cached_property
    def _reference(self) -> str:
        return lasting_id(self.fingerprints.reference)

    def search_trials(self, cell: Cell) -> list[TrialDigest]:
        """The valid trials in the steps of a capacity level."""
        steps = [attempt.digest for attempt in self.search_steps(cell.workload, cell.level)]
        trials = [digest.trials[cell.datapath] for digest in steps if digest and cell.datapath in digest.trials]
        return [trial for trial in trials if trial.valid]

    def search_pool(self, cell: Cell) -> Pool:
        """The pooled lag of those trials."""
        if self.pools is not None:
            return self.pools.get(PoolKey(cell.workload, cell.level, cell.datapath, ""), NO_POOL)
        growing = Growing()
        for trial in self.search_trials(cell):
            growing.add_lag(trial)
        return growing.pool

    def searches(self, cell: Cell) -> list[dict[str, Search]]:
        """Per search of a capacity level, the present state for each datapath; empty before the calibration."""
        key = cell.workload, cell.level
        if key not in self._searches:
            self._searches[key] = self._searched(*key)
        return self._searches[key]

    def search_steps(self, workload: str, level: str) -> list[AttemptRecord]:
        """Every attempt of the steps of a level's searches."""
        return [a for a in self.records if (a.workload, a.level) == (workload, level) and a.search]

    def _searched(self, workload: str, level: str) -> list[dict[str, Search]]:
        slo, found = self.campaign.levels[level], self.calibration.get(workload)
        if not isinstance(slo, CapacityLoad) or found is None or not found.capacities_per_s:
            return []
        steps, searches = self.search_steps(workload, level), []
        for chain in range(self.campaign.blocks):
            ours = [attempt for attempt in steps if attempt.search and attempt.search.chain == chain]
            start = initial_searches(self.campaign, found, self.bootstrap_seed, workload, level, chain)
            other = self._other_fingerprint(ours)
            states = replay_steps(start, ours)
            searches.append({label: replace(one, lost=other or one.lost) for label, one in states.items()})
        return searches

    def _other_fingerprint(self, steps: Sequence[AttemptRecord]) -> str:
        """Why a search does not count because of where it ran; empty if it counts."""
        others = [a for a in steps if a.digest is not None and lasting_id(a.digest.fingerprint) != self._reference]
        return "its search ran with another fingerprint than most blocks" if others else ""

    def compared(self, workload: str, level: str, metric: Metric, *labels: str) -> Compared:
        """The datapaths that are compared at a level by ``metric``, and their figures in the blocks that count.

        If all ``labels`` are in the campaign's focus, only its datapaths, and in the focused blocks too.
        """
        focus = focus_at(self.campaign, level)
        group = focus if labels and set(labels) <= set(focus) else self.campaign.labels
        key = workload, level, metric, group
        if key not in self._compared:
            table = self._by_block(workload, level, metric)
            columns = [self.campaign.labels.index(label) for label in group]
            focused = table[self.alone(workload, level)] if focus and group == focus else table[:0]
            whole = self._whole(table, workload, level)
            self._compared[key] = compared(whole[:, columns], group, focused[:, columns])
        return self._compared[key]

    def alone(self, workload: str, level: str) -> Mask:
        """Of each block, whether it holds the campaign's focus only."""
        trials, focus = self.level(workload, level), focus_at(self.campaign, level)
        return trials.holds_only(focus) if focus else np.zeros(len(trials.blocks), dtype=np.bool_)

    def _whole(self, table: Table, workload: str, level: str) -> Table:
        """The rows of the blocks, or searches, of all datapaths."""
        return table[~self.alone(workload, level)] if focus_at(self.campaign, level) else table

    def _by_block(self, workload: str, level: str, metric: Metric) -> Table:
        """A row per block or search: each label's figure, NaN without a valid trial that has it."""
        labels = self.campaign.labels
        if metric is Metric.SLO_CAPACITY_PER_S:
            cell = cell_at(labels[0], workload, level)
            found = [{label: one[label].figure_per_s for label in labels} for one in self.searches(cell)]
            return table_of(found, labels)
        trials = self.level(workload, level)
        return trials.shares(metric.value) if metric in SHARE_METRICS else trials.figures(metric.value)

    def figures(self, cell: Cell, metric: Metric) -> list[float]:
        """A cell's figures in the blocks that count; of a datapath that is not compared, all that it has."""
        found = self.compared(cell.workload, cell.level, metric)
        if cell.datapath in found.labels:
            return list(found.column(cell.datapath))
        own = self._whole(self._by_block(cell.workload, cell.level, metric), cell.workload, cell.level)
        own = own[:, self.campaign.labels.index(cell.datapath)]
        return [figure for figure in own.tolist() if not math.isnan(figure)]

    def log_ratios(self, cell: Cell, reference: str, metric: Metric) -> list[float]:
        """One log-ratio per block or search that counts; empty if one of the two is not compared there."""
        pair = cell.datapath, reference
        return self.compared(cell.workload, cell.level, metric, *pair).logs(*pair)

    def contrasts(self, cell: Cell, reference: str, metric: Metric) -> list[float]:
        """What a comparison rests on: one log-ratio per block or search that counts, of shares one difference."""
        key = cell.workload, cell.level, cell.datapath, reference, metric
        if key not in self._contrasts:
            found = self.compared(cell.workload, cell.level, metric, cell.datapath, reference)
            contrast = found.differences if metric in SHARE_METRICS else found.logs
            self._contrasts[key] = contrast(cell.datapath, reference)
        return self._contrasts[key]

    def estimate(self, cell: Cell, reference: str, metric: Metric) -> Estimate | None:
        """The mean of the contrasts; ``None`` for fewer than two."""
        key = cell.workload, cell.level, cell.datapath, reference, metric
        if key not in self._estimates:
            found = self.compared(cell.workload, cell.level, metric, cell.datapath, reference)
            contrasts = found.contrasts(cell.datapath, reference, as_logs=metric not in SHARE_METRICS)
            self._estimates[key] = student_t(contrasts) if len(contrasts) > 1 else None
        return self._estimates[key]

    def noise(self, workload: str, level: str, metric: Metric) -> Noise | None:
        """The noise of all compared datapaths in the blocks that count at one level, focused ones included."""
        key = workload, level, metric
        if key not in self._noises:
            found, focus = self.compared(*key), focus_at(self.campaign, level)
            table = found.joined(self.compared(*key, *focus)) if focus else found.table
            self._noises[key] = noise_of(table, as_logs=metric not in SHARE_METRICS)
        return self._noises[key]

    def margin(self, metric: Metric) -> float:
        """The margin of equivalence (domain/campaigns/margins.py)."""
        return margin_of(metric, self.campaign.margins, self.campaign.equivalence_margin)

    def load(self, workload: str, level: str) -> str:
        """A level as shown to users: a share of capacity has its rate."""
        if (key := (workload, level)) not in self._loads:
            found = self.calibration.get(workload)
            self._loads[key] = load_text(self.campaign.levels[level], found.rates_per_s.get(level) if found else None)
        return self._loads[key]

    def asked_per_s(self, workload: str, level: str) -> int | None:
        """The scheduled rate of an open level or a share, its mean if it changes; ``None`` for other levels."""
        load, found = self.campaign.levels[level], self.calibration.get(workload)
        if isinstance(load, OpenLoad):
            return load.mean_per_s
        return found.rates_per_s.get(level) if found else None
