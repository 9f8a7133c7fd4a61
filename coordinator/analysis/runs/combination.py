"""Runs of one configuration together: one verdict per primary comparison, for boots and hours like theirs. Pure.

A run is one value with its error, and runs are a sample: their mean is a random effect (random_effects.py). The words
are judged as those of one campaign: by Holm's p over the primary family.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from coordinator.analysis.inference.random_effects import RandomEffects
from coordinator.analysis.inference.statistics import Estimate, finite_exp, holm
from coordinator.analysis.judgement.verdicts import word_of
from coordinator.analysis.runs.combined_question import Asked, effects_of
from coordinator.analysis.runs.combined_words import cautions_of, lack_of, scope_text, sentence_of
from coordinator.analysis.runs.series import measured_fields
from coordinator.analysis.trials.pooling import difference
from domain.campaigns.margins import margin_of
from domain.reports.report import Interval
from domain.reports.verdict_words import VerdictWord
from domain.runs.combination import Combination, CombinedVerdict, LeftOut, Run, RunFigure, RunQuestion, RunShown

_APART = "its levels differ, and are judged one by one"

Scale = Callable[[float], float]


class DifferentConfigurations(ValueError):
    """The runs did not measure the same thing."""


def combine(runs: Sequence[Run], *, mixed: bool = False) -> Combination:
    """What ``runs`` say together; runs of the less common fingerprints are left out, unless ``mixed``.

    Raises :class:`DifferentConfigurations` if they did not measure the same. There must be at least one.
    """
    ordered = sorted(runs, key=lambda run: (run.began_at or "", run.id))
    _check_alike(ordered)
    used, left_out = (ordered, ()) if mixed else _of_one_fingerprint(ordered)
    verdicts = _verdicts(used)
    return Combination(
        name=used[-1].name,
        runs=tuple(RunShown(id=run.id, name=run.name, scope=run.scope, blocks=run.blocks) for run in used),
        left_out=left_out,
        mixed=_differing(used),
        scope=scope_text(used),
        verdicts=verdicts,
        cautions=cautions_of(used),
    )


def _check_alike(runs: Sequence[Run]) -> None:
    newest = measured_fields(runs[-1].campaign) | {"reference": runs[-1].campaign.reference_label}
    for run in runs[:-1]:
        other = measured_fields(run.campaign) | {"reference": run.campaign.reference_label}
        names = sorted(name for name in newest.keys() | other.keys() if newest.get(name) != other.get(name))
        if names:
            raise DifferentConfigurations(
                f"{run.id} and {runs[-1].id} are no runs of one configuration: they differ in {', '.join(names)}"
            )


def _of_one_fingerprint(runs: Sequence[Run]) -> tuple[Sequence[Run], tuple[LeftOut, ...]]:
    """The runs with the most common facts, of equals the newest; the others with what differs."""
    groups: dict[frozenset[tuple[str, str]], list[Run]] = {}
    for run in runs:
        groups.setdefault(frozenset(run.facts.items()), []).append(run)
    used = max(groups.values(), key=lambda group: (len(group), group[-1].began_at or ""))
    others = [run for run in runs if run.facts != used[-1].facts]
    left_out = (
        LeftOut(
            id=run.id,
            name=run.name,
            reason=f"another fingerprint: {difference(run.facts, used[-1].facts)}",
            is_comparable=True,
        )
        for run in others
    )
    return used, tuple(left_out)


def _differing(runs: Sequence[Run]) -> tuple[str, ...]:
    names = dict.fromkeys(name for run in runs for name in run.facts)
    return tuple(name for name in names if len({run.facts.get(name) for run in runs}) > 1)


def _verdicts(runs: Sequence[Run]) -> tuple[CombinedVerdict, ...]:
    """Every primary comparison of the newest run."""
    asked = [_asked(question, runs, len(runs[-1].questions)) for question in runs[-1].questions]
    adjusted = holm([one.p for one in asked])
    found: list[CombinedVerdict] = []
    for one, p in zip(asked, adjusted, strict=True):
        judged = replace(one, adjusted=p)
        found.append(_pooled(runs, judged))
        if judged.judged_apart:
            found += [_single(runs, judged, level) for level in judged.levels]
    return tuple(found)


def _asked(question: RunQuestion, runs: Sequence[Run], family: int) -> Asked:
    answers = {run.id: one for run in runs for one in run.questions if one.key == question.key and one.levels}
    return Asked(question, answers, family)


def _pooled(runs: Sequence[Run], asked: Asked) -> CombinedVerdict:
    levels = asked.levels or asked.question.asked
    if asked.judged_apart:
        return _verdict(runs, asked, levels, asked.pooled, None, _APART)
    return _verdict(runs, asked, levels, asked.pooled, asked.adjusted, pooled=True)


def _single(runs: Sequence[Run], asked: Asked, level: str) -> CombinedVerdict:
    values = asked.at(level)
    own = asked.p_of(effects_of(values), pooled=False)
    adjusted = asked.adjusted if own <= asked.p else max(asked.adjusted, min(1.0, asked.family * own))
    return _verdict(runs, asked, (level,), values, adjusted, pooled=False)


def _verdict(
    runs: Sequence[Run],
    asked: Asked,
    levels: tuple[str, ...],
    values: Mapping[str, Estimate],
    p: float | None,
    note: str = "",
    *,
    pooled: bool = True,
) -> CombinedVerdict:
    """One row, judged if it has a ``p``."""
    question, found = asked.question, effects_of(values)
    is_difference = question.metric.over_ms is not None
    scale: Scale = float if is_difference else finite_exp
    verdict = CombinedVerdict(
        datapath=question.datapath,
        reference=question.reference,
        workload=question.workload,
        levels=levels,
        weights=asked.weights if levels == asked.levels and len(levels) > 1 else (),
        metric=question.metric,
        is_difference=is_difference,
        runs=tuple(_figure(run, one, scale) for run, one in values.items()),
        differs_p=found.p if found is not None else None,
        verdict=VerdictWord.NONE,
        note=note or lack_of(question.asked, asked.levels, len(values)),
        sentence="",
    )
    if found is not None and found.mean is not None and found.prediction is not None:
        between = _between(found, is_difference=is_difference)
        mean, prediction = _interval(found.mean, scale), _interval(found.prediction, scale)
        sizes = {"estimate": mean, "prediction": prediction, "between": between, "between_share": found.i2}
        verdict = verdict.model_copy(update=sizes | _judged(runs[-1], asked, found.mean, p, scale, pooled=pooled))
    return verdict.model_copy(update={"sentence": sentence_of(verdict, runs[-1].campaign)})


def _judged(
    newest: Run, asked: Asked, mean: Estimate, p: float | None, scale: Scale, *, pooled: bool
) -> dict[str, Any]:
    """The word with its p and interval, as fields of a verdict; none without a ``p``."""
    if p is None:
        return {}
    metric = asked.question.metric
    low, high = asked.bounds(mean, p, pooled=pooled)
    margin = margin_of(metric, newest.campaign.margins, newest.campaign.equivalence_margin)
    word = word_of(mean, (low, high), p, metric, margin)
    return {"p": p, "verdict": word, "simultaneous_low": scale(low), "simultaneous_high": scale(high)}


def _figure(run: str, found: Estimate, scale: Scale) -> RunFigure:
    return RunFigure(id=run, value=scale(found.mean), low=scale(found.low), high=scale(found.high))


def _interval(found: Estimate, scale: Scale) -> Interval:
    return Interval(value=scale(found.mean), low=scale(found.low), high=scale(found.high))


def _between(found: RandomEffects, *, is_difference: bool) -> float:
    tau = math.sqrt(found.tau2)
    return tau if is_difference else finite_exp(tau) - 1
