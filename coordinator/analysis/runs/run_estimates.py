"""What one campaign says about its primary comparisons, as combinations of runs need it. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from coordinator.analysis.inference.stage import AT_ITS_LOOK
from coordinator.analysis.judgement.families import Question, compared_pairs, primary_questions
from coordinator.analysis.judgement.questions import Answer, answers
from coordinator.analysis.reports.scope import scope_of
from coordinator.analysis.trials.campaign_results import CampaignResults
from coordinator.analysis.trials.pooling import lasting_facts, lasting_id
from coordinator.scheduling.digests import BlockDigest
from domain.loads.load import ShareLoad
from domain.runs.combination import LevelEstimate, Run, RunQuestion


def run_of(data: CampaignResults, record: Mapping[str, Any]) -> Run:
    """One campaign's part; ``record`` has its id and times."""
    questions = primary_questions(data, compared_pairs(data))
    blocks = _counted(data)
    return Run(
        id=str(record.get("id", "")),
        name=data.campaign.name,
        campaign=data.campaign,
        began_at=record.get("started_at"),
        ended_at=record.get("ended_at"),
        scope=scope_of(data, record).text,
        hosts=tuple(sorted({one.host for one in blocks})),
        boots=tuple(sorted({boot for one in blocks if (boot := one.fingerprint.get("boot_id"))})),
        blocks=len(blocks),
        facts=lasting_facts(data.fingerprints.reference),
        questions=tuple(_question(answer) for answer in answers(data, questions, AT_ITS_LOOK)),
        rates_per_s=_rates(data, questions),
    )


def _counted(data: CampaignResults) -> Sequence[BlockDigest]:
    """The accepted blocks with the fingerprint that is analysed."""
    reference = lasting_id(data.fingerprints.reference)
    found = [a.digest for a in data.records if a.accepted and a.digest is not None and not a.calibration]
    return [one for one in found if lasting_id(one.fingerprint) == reference]


def _question(answer: Answer) -> RunQuestion:
    weights = dict(zip(answer.pooled_levels, answer.weights, strict=True))
    found = ((level, answer.level_estimate(level)) for level in answer.question.levels)
    label, reference = answer.question.pair
    return RunQuestion(
        datapath=label,
        reference=reference,
        workload=answer.question.workload,
        metric=answer.question.metric,
        asked=answer.question.levels,
        levels=tuple(
            LevelEstimate(
                level=level,
                mean=one.mean,
                standard_error=one.standard_error,
                freedom=one.freedom,
                count=one.count,
                weight=weights[level],
            )
            for level, one in found
            if one is not None
        ),
        differs_p=answer.differs_p,
    )


def _rates(data: CampaignResults, questions: Sequence[Question]) -> dict[str, int]:
    """The rates of the levels that are shares of a capacity, which each run measures again."""
    cells = dict.fromkeys((one.workload, level) for one in questions for level in one.levels)
    shares = [cell for cell in cells if isinstance(data.campaign.levels[cell[1]], ShareLoad)]
    found = ((f"{workload} {level}", data.asked_per_s(workload, level)) for workload, level in shares)
    return {name: rate for name, rate in found if rate is not None}
