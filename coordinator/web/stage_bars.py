"""Mean requests by kernel stage, as stacked bars for an SVG template. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from coordinator.web.chart import nice_step
from coordinator.web.stage_differences import DifferenceTable, difference_table
from coordinator.web.words import figure, spelled
from domain.campaigns.campaign import Campaign
from domain.reports.explanation import Decomposition, StagePart
from domain.reports.report import CampaignReport
from domain.values.texts import counted

WIDTH, LEFT, RIGHT = 760, 170, 90
ROW_HEIGHT, AXIS_HEIGHT, BAR_HEIGHT = 26, 28, 16
NARROWEST = 0.4  # SVG units; what is narrower cannot be seen
REST = "rest"
COLORS = 11  # of stages, in static/showdown.css; the next number is the color of the rest
NOTABLE_SHARE, MISLEADING_SHARE = 0.05, 0.25  # of the mean, by which the stages exceed it


@dataclass(frozen=True)
class Segment:
    """One stage's part of a bar, all its roles together; ``color`` numbers the stage, the same in every chart."""

    stage: str
    color: int
    us: float
    x: float
    width: float


@dataclass(frozen=True)
class Bar:
    """One datapath's mean request. ``overlap_us`` is what the stages explain twice: the bar is that much too long."""

    label: str
    y: float
    mean_us: float
    segments: tuple[Segment, ...]
    overlap_us: float


@dataclass(frozen=True)
class StageChart:
    """One workload and level: its bars, what the table below needs, and the differences."""

    workload: str
    level: str
    load: str
    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, float], ...]
    stages: tuple[tuple[str, int], ...]
    path: tuple[str, ...]
    decompositions: tuple[Decomposition, ...]
    differences: tuple[DifferenceTable, ...]
    height: float
    axis_y: float
    width: float = WIDTH
    left: float = LEFT

    @property
    def rows(self) -> tuple[tuple[str, str], ...]:
        """Every (stage, role) that some datapath has a figure of, in the order of a request's path."""
        found = {(part.stage, part.role) for one in self.decompositions for part in one.parts}
        return tuple(sorted(found, key=lambda row: (_place_of(row[0], self.path), row[1])))

    def part(self, decomposition: Decomposition, stage: str, role: str) -> StagePart | None:
        """One datapath's part of a row."""
        return next((p for p in decomposition.parts if (p.stage, p.role) == (stage, role)), None)

    def is_left_out(self, decomposition: Decomposition, stage: str, role: str) -> bool:
        """True if the datapath has the stage, and no figure of it."""
        return StagePart(stage=stage, role=role, us=0).name in decomposition.left_out

    @property
    def has_intervals(self) -> bool:
        """True if some figure has an interval."""
        return any(part.low_us is not None for one in self.decompositions for part in one.parts)

    @property
    def work(self) -> tuple[str, ...]:
        """The kinds of the kernel's work that some datapath did, by name."""
        return tuple(sorted({kind for one in self.decompositions for kind, n in one.work_per_request.items() if n}))

    @property
    def time_name(self) -> str:
        """What the mean is of: requests of a closed loop have no latency."""
        return "latency" if self.load.startswith("open") else "service time"

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the bars must know, in sentences."""
        of_bars = (note for bar in self.bars if (note := _overlap(bar)))
        return (*of_bars, *(note for one in self.decompositions for note in _notes(one)))


def stage_charts(campaign: Campaign, report: CampaignReport, path: tuple[str, ...]) -> tuple[StageChart, ...]:
    """One chart per workload and level that probes watched, in the campaign's order; ``path`` is its stages' order."""
    loads = {(r.workload, r.level): r.load for r in report.results}
    charts = []
    for workload in campaign.workloads:
        for level in campaign.levels:
            here = [one for one in report.decompositions if (one.workload, one.level) == (workload, level)]
            if here:
                differences = tuple(
                    difference_table(one)
                    for one in report.differences
                    if (one.workload, one.level, one.reference) == (workload, level, campaign.reference_label)
                )
                charts.append(_chart(loads.get((workload, level), ""), here, differences, path))
    return tuple(charts)


def trial_chart(found: Decomposition, load: str, path: tuple[str, ...]) -> StageChart:
    """One trial's own bar."""
    return _chart(load, [found], (), path)


def _chart(
    load: str, found: Sequence[Decomposition], differences: tuple[DifferenceTable, ...], path: tuple[str, ...]
) -> StageChart:
    # The stages may explain more than there is: then the bar is as long as they are.
    longest = max(max(one.mean_us, sum(max(0.0, part.us) for part in one.parts)) for one in found)
    step = nice_step(longest)
    scale = (WIDTH - LEFT - RIGHT) / max(longest, step)
    bars = tuple(_bar(one, index, scale, path) for index, one in enumerate(found))
    height = ROW_HEIGHT * len(bars) + AXIS_HEIGHT
    ticks = tuple((step * i, round(LEFT + step * i * scale, 1)) for i in range(int(longest / step + 1e-9) + 1))
    stages = dict.fromkeys(segment.stage for bar in bars for segment in bar.segments)
    return StageChart(
        workload=found[0].workload,
        level=found[0].level,
        load=load,
        bars=bars,
        ticks=ticks,
        stages=tuple((stage, color_of(stage, path)) for stage in sorted(stages, key=lambda one: _place_of(one, path))),
        path=path,
        decompositions=tuple(found),
        differences=differences,
        height=height,
        axis_y=ROW_HEIGHT * len(bars) + 4,
    )


def _bar(found: Decomposition, index: int, scale: float, path: tuple[str, ...]) -> Bar:
    by_stage: dict[str, float] = {}
    for part in found.parts:
        by_stage[part.stage] = by_stage.get(part.stage, 0.0) + part.us
    by_stage[REST] = max(0.0, found.unattributed_us)
    segments, x = [], float(LEFT)
    for stage, us in by_stage.items():
        width = max(0.0, us) * scale  # a part below zero has no length; the table has its figure
        if width >= NARROWEST:
            segments.append(Segment(stage, color_of(stage, path), us, round(x, 1), round(width, 1)))
        x += width
    return Bar(
        label=found.datapath,
        y=ROW_HEIGHT * index + 4,
        mean_us=found.mean_us,
        segments=tuple(segments),
        overlap_us=max(0.0, -found.unattributed_us),
    )


def _overlap(bar: Bar) -> str:
    if bar.overlap_us <= NOTABLE_SHARE * bar.mean_us:
        return ""
    note = (
        f"{bar.label}: the sum of its stages exceeds the mean by {figure(bar.overlap_us)} µs: some stages overlapped, "
        "or the probes were attached at slower moments."
    )
    if bar.overlap_us <= MISLEADING_SHARE * bar.mean_us:
        return note
    return f"{note} With such a large excess, use this bar only as a hint; it does not explain the mean."


def _notes(one: Decomposition) -> Iterator[str]:
    label, stages = one.datapath, spelled(", ".join(one.left_out))
    if one.left_out:
        yield f"{label}: not measured: {stages}. Too few starts found their end; the time is in the rest."
    if fewer := [f"{spelled(part.name)} ({part.blocks})" for part in one.parts if part.blocks < one.trials]:
        yield f"{label}: of fewer than {one.trials} blocks, as a figure is missing in the others: {', '.join(fewer)}."
    if not one.compared:
        blocks = counted(one.trials, "block")
        yield f"{label}: its bar is of {blocks}, which it does not share with the others: do not compare it with them."
    if one.disturbed:
        trials = "1 valid trial has" if one.disturbed == 1 else f"{one.disturbed} valid trials have"
        yield f"{label}: {trials} host noise in the watched slices, which disturbs an explanation."


def color_of(stage: str, path: tuple[str, ...]) -> int:
    """The number of a stage's color, by its place on the path; longer paths use colors twice."""
    place = _place_of(stage, path)
    return place % COLORS if place < len(path) else COLORS


def _place_of(stage: str, path: tuple[str, ...]) -> int:
    """A stage's place on the path; the rest comes last."""
    return path.index(stage) if stage in path else len(path)
