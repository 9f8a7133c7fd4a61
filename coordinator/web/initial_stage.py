"""Which kernel stage a chart over time shows first: the one that differs most between the datapaths. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from domain.reports.explanation import Decomposition, Difference, StagePart
from domain.reports.report import MIN_PAIRS, CampaignReport

MOST = 12  # that a page names: telemetry may lack the first ones
_NO_STAGE = "send_wait"  # a part of the mean that no probe watches


@dataclass(frozen=True)
class _Candidate:
    """A stage in one cell; ``share`` is what it adds to a request, of the reference's mean there."""

    part: StagePart
    cell: Decomposition | Difference
    share: float
    is_known: bool = False

    @property
    def text(self) -> str:
        return f"{self.part.stage}.{self.part.role}/{self.cell.workload}.{self.cell.level}/{self.cell.datapath}"


def most_different(report: CampaignReport, reference: str) -> str:
    """``stage.role/workload.level/datapath`` of the largest differences from the reference, with spaces between.

    A difference is as large as its share of the reference's mean request. Those whose sign is known come first. Without
    five pairs the estimates decide: the choice of what is shown states nothing.
    """
    means = {(one.workload, one.level): one for one in report.decompositions if one.datapath == reference}
    found = [*_known(report, reference, means), *_estimated(report, means)]
    return _texts(sorted(found, key=lambda one: (not one.is_known, -one.share)))


def largest_parts(found: Decomposition) -> str:
    """The same of one trial, which differs from nothing: its longest stages."""
    parts = (_Candidate(part, found, part.us) for part in found.parts)
    return _texts(sorted(parts, key=lambda one: -one.share))


def _texts(found: Sequence[_Candidate]) -> str:
    texts = dict.fromkeys(one.text for one in found if one.part.stage != _NO_STAGE and one.share > 0)
    return " ".join([*texts][:MOST])


def _known(report: CampaignReport, reference: str, means: dict[tuple[str, str], Decomposition]) -> Iterator[_Candidate]:
    for found in report.differences:
        mean = means.get((found.workload, found.level))
        if mean is not None and mean.mean_us > 0 and found.reference == reference and found.pairs >= MIN_PAIRS:
            for part in found.stages:
                yield _Candidate(part, found, abs(part.us) / mean.mean_us, part.is_known)


def _estimated(report: CampaignReport, means: dict[tuple[str, str], Decomposition]) -> Iterator[_Candidate]:
    for one in report.decompositions:
        mean = means.get((one.workload, one.level))
        if mean is None or mean.mean_us <= 0 or one is mean:
            continue
        own, others = ({(part.stage, part.role): part for part in cell.parts} for cell in (one, mean))
        for name in {**others, **own}:
            times = [parts[name].us if name in parts else 0.0 for parts in (own, others)]
            yield _Candidate((own.get(name) or others[name]), one, abs(times[0] - times[1]) / mean.mean_us)
