"""From results to verdicts. Pure: no I/O, no clock, no randomness but the campaign's seed.

The unit is the pair: two valid trials of the same attempt of the same block. The report averages per-block log-ratios,
and the figures in its tables are means over the same pairs. It never resamples requests or analyses invalid trials.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from coordinator.analysis.inference.stage import stage_of
from coordinator.analysis.inference.statistics import finite_exp, interval
from coordinator.analysis.judgement.carrying import carrying_of
from coordinator.analysis.judgement.expectations import checks_of
from coordinator.analysis.judgement.families import stage_pairs
from coordinator.analysis.judgement.precision import exactness_of
from coordinator.analysis.judgement.verdicts import verdicts_of
from coordinator.analysis.kernel.decomposition import explained_by
from coordinator.analysis.kernel.path import StagePath
from coordinator.analysis.levels.condition_costs import condition_costs
from coordinator.analysis.levels.crossover import crossovers
from coordinator.analysis.levels.overload_onset import overload_onsets
from coordinator.analysis.levels.tolerated import tolerated_attacks
from coordinator.analysis.reports.answer import answer_of
from coordinator.analysis.reports.campaign_outcome import outcome_of
from coordinator.analysis.reports.cells import cell_result
from coordinator.analysis.reports.prices import prices_of
from coordinator.analysis.reports.scope import scope_of
from coordinator.analysis.trials.campaign_results import CampaignResults
from coordinator.analysis.trials.declared import declared_figures
from coordinator.analysis.trials.generator_text import generator_text
from coordinator.analysis.trials.invalid_trials import invalid_trials
from coordinator.analysis.trials.level_trials import CellTrials
from coordinator.analysis.trials.pool import Pool, PoolKey
from coordinator.scheduling.lifecycle import CampaignState
from coordinator.scheduling.records import AttemptRecord
from domain.campaigns.campaign import Campaign
from domain.campaigns.leaving_out import left_out_text
from domain.hosts.placement import CPU_PLACEMENT, different_facts
from domain.loads.metric import Metric, metrics_of
from domain.probes.telemetry import TelemetryAccount
from domain.reports.calibration import calibrations_of
from domain.reports.report import MIN_PAIRS, CampaignReport, CellResult, Family, Verdict
from domain.reports.verdict_words import VerdictWord
from domain.trials.failures import FailedAttempt
from domain.values.names import datapath_of

Taxes = Mapping[str, Mapping[str, Any]]
NO_PATH = StagePath()


def build_report(
    campaign: Campaign,
    record: Mapping[str, Any],
    attempts: Sequence[AttemptRecord],
    path: StagePath = NO_PATH,
    pools: Mapping[PoolKey, Pool] | None = None,
) -> CampaignReport:
    """Everything that ``attempts`` say about ``campaign``; ``record`` is copied into the report's ``campaign``.

    ``pools`` are the pooled times of its cells, if they are stored. ``path`` says which stages a request's latency
    consists of. ``campaign["aa"]`` says how often a datapath differed from its own copy; ``None`` without a copy.
    ``campaign["probe_tax"]`` is the cost of watching for each datapath; ``None`` without probes.
    """
    data = results_of(campaign, record, attempts, pools)
    taxes, shared, stage = _probe_tax(data), data.fingerprints, stage_of(campaign, record, data.records)
    cells = tuple(cell_result(data, cell) for cell in campaign.cells)
    verdicts, invalid = verdicts_of(data, _proven(taxes or {}), stage), invalid_trials(campaign, data.records)
    parts, differences = explained_by(data, stage_pairs(campaign), path)
    report = CampaignReport(
        campaign={**record, **_outcome(record, cells), "aa": _false_positives(verdicts), "probe_tax": taxes},
        results=cells,
        verdicts=verdicts,
        expectations=checks_of(data, record.get("state") or CampaignState.COMPLETE, stage),
        prices=prices_of(data),
        carrying=carrying_of(data, stage),
        **_declared_and_conditions(data),
        decompositions=parts,
        differences=differences,
        invalid=invalid.listed,
        invalid_counts=invalid.counts,
        failed_attempts=_failed_attempts(data.records),
        **_courses(data),
        telemetry=_telemetry(data.records),
        fingerprints=shared.listed,
        cpu_placement=different_facts(CPU_PLACEMENT, (one.facts for one in shared.listed)),
        generator=generator_text(campaign, cells, [one.facts for one in shared.listed]),
        left_out=" ".join(filter(None, (shared.sentence, left_out_text(campaign.left_out)))),
        exactness=exactness_of(data, stage),
    )
    return report.model_copy(update={"answer": answer_of(campaign, report, scope_of(data, record))})


def _courses(data: CampaignResults) -> dict[str, Any]:
    """What changes over the levels; fields of the report."""
    return {"crossovers": crossovers(data), "overload_onsets": overload_onsets(data)}


def _declared_and_conditions(data: CampaignResults) -> dict[str, Any]:
    """Declared figures, and what conditions cost; fields of the report."""
    return {
        "figures": declared_figures(data),
        "condition_costs": condition_costs(data),
        "tolerated_attacks": tolerated_attacks(data),
    }


def _outcome(record: Mapping[str, Any], cells: Sequence[CellResult]) -> dict[str, str | None]:
    found = outcome_of(record, cells)
    return {"outcome": found.word.value if found else None, "outcome_sentence": found.sentence if found else ""}


def results_of(
    campaign: Campaign,
    record: Mapping[str, Any],
    attempts: Sequence[AttemptRecord],
    pools: Mapping[PoolKey, Pool] | None,
) -> CampaignResults:
    """The attempts by cell, as :func:`build_report` reads them."""
    recorded = record.get("seed")  # with seed 0, the coordinator drew one and recorded it
    seed = recorded if isinstance(recorded, int) else campaign.seed
    return CampaignResults(campaign, attempts, seed, calibrations_of(record), pools)


def _failed_attempts(attempts: Iterable[AttemptRecord]) -> tuple[FailedAttempt, ...]:
    return tuple(
        FailedAttempt(block=a.block_index, attempt=a.attempt, host=a.host, reason=a.reason)
        for a in attempts
        if not a.has_result and a.reason
    )


def _false_positives(verdicts: Iterable[Verdict]) -> dict[str, Any] | None:
    """How often a datapath differed from its own copy; ``None`` if the campaign has no copies."""
    copies = [v for v in verdicts if datapath_of(v.datapath) == datapath_of(v.reference)]
    if not copies:
        return None
    decided = [v for v in copies if v.has_enough_pairs and v.family is not Family.SHOWN]
    false = sum(v.verdict in (VerdictWord.BETTER, VerdictWord.WORSE) for v in decided)
    excluding = sum(v.low is not None and v.high is not None and not v.low <= 1 <= v.high for v in decided)
    return {
        "comparisons": len(decided),
        "false_positives": false,
        "rate": false / len(decided) if decided else None,
        "intervals_without_1": excluding,
    }


def _probe_tax(data: CampaignResults) -> dict[str, dict[str, Any]] | None:
    """Requests/s of watched slices relative to the counted ones of the same trial, by label.

    Closed loops only: an open loop sets the rate, so the cost of watching does not show in it.
    """
    if not data.campaign.probes:
        return None
    taxes, levels = {}, data.campaign.levels
    closed = [key for key in data.blocks if Metric.REQUESTS_PER_S in metrics_of(levels[key[1]])]
    for label in data.campaign.labels:
        logs = [log for key in closed for log in _tax_logs(data.level(*key).cell(label).valid)]
        if len(logs) >= MIN_PAIRS and (estimate := interval(logs)):
            taxes[label] = {
                "ratio": finite_exp(estimate.mean),
                "low": finite_exp(estimate.low),
                "high": finite_exp(estimate.high),
                "pairs": estimate.count,
            }
    return taxes


def _tax_logs(trials: CellTrials) -> list[float]:
    both = zip(trials.numbers("watched_rate_per_s"), trials.numbers("requests_per_s"), strict=True)
    return [math.log(watched / counted) for watched, counted in both if watched > 0 and counted > 0]


def _proven(taxes: Taxes) -> dict[str, float]:
    """The share of requests/s that watching cost, by label, where its interval excludes "nothing"."""
    return {label: 1 - tax["ratio"] for label, tax in taxes.items() if tax["pairs"] >= MIN_PAIRS and tax["high"] < 1}


def _telemetry(attempts: Iterable[AttemptRecord]) -> TelemetryAccount:
    return TelemetryAccount.total([one.digest.telemetry for one in attempts if one.digest is not None])
