"""Mean latencies by kernel stage, as stacked bars for an SVG template. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from coordinator.web.chart import nice_step
from domain.campaign import Campaign
from domain.report import CampaignReport, Decomposition, Difference, StagePart

WIDTH, LEFT, RIGHT = 760, 170, 90
ROW_HEIGHT, AXIS_HEIGHT, BAR_HEIGHT = 26, 28, 16
NARROWEST = 0.4  # SVG units; what is narrower cannot be seen
UNATTRIBUTED = "unattributed"
COLORS = 11  # of stages, in static/showdown.css; the next number is the color of what is unattributed


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
    """One datapath's mean latency. ``overlap_us`` is what the stages explain twice: the bar is that much too long."""

    label: str
    y: float
    mean_us: float
    segments: tuple[Segment, ...]
    overlap_us: float


@dataclass(frozen=True)
class StageChart:
    """One workload and level: its bars, what the table below needs, and the differences in words."""

    workload: str
    level: str
    load: str
    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, float], ...]
    stages: tuple[tuple[str, int], ...]
    path: tuple[str, ...]
    decompositions: tuple[Decomposition, ...]
    differences: tuple[Difference, ...]
    height: float
    axis_y: float
    width: float = WIDTH
    left: float = LEFT

    @property
    def rows(self) -> tuple[tuple[str, str], ...]:
        """Every (stage, role) of some datapath, in the order of a request's path."""
        found = {(part.stage, part.role) for one in self.decompositions for part in one.parts}
        return tuple(sorted(found, key=lambda row: (_place_of(row[0], self.path), row[1])))

    def part(self, decomposition: Decomposition, stage: str, role: str) -> StagePart | None:
        """One datapath's part of a row."""
        return next((p for p in decomposition.parts if (p.stage, p.role) == (stage, role)), None)

    @property
    def work(self) -> tuple[str, ...]:
        """The kinds of the kernel's work that some datapath did, by name."""
        return tuple(sorted({kind for one in self.decompositions for kind, n in one.work_per_request.items() if n}))

    @property
    def left_out(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Stages that were matched too badly to be shown, by datapath."""
        return tuple((one.datapath, one.left_out) for one in self.decompositions if one.left_out)


def stage_charts(campaign: Campaign, report: CampaignReport, path: tuple[str, ...]) -> tuple[StageChart, ...]:
    """One chart per workload and level that probes watched, in the campaign's order; ``path`` is its stages' order."""
    loads = {(r.workload, r.level): r.load for r in report.results}
    charts = []
    for workload in campaign.workloads:
        for level in campaign.levels:
            here = [one for one in report.decompositions if (one.workload, one.level) == (workload, level)]
            if here:
                differences = tuple(
                    one
                    for one in report.differences
                    if (one.workload, one.level, one.reference) == (workload, level, campaign.reference_label)
                )
                charts.append(_chart(loads.get((workload, level), ""), here, differences, path))
    return tuple(charts)


def trial_chart(found: Decomposition, load: str, path: tuple[str, ...]) -> StageChart:
    """One trial's own bar."""
    return _chart(load, [found], (), path)


def _chart(
    load: str, found: Sequence[Decomposition], differences: tuple[Difference, ...], path: tuple[str, ...]
) -> StageChart:
    # The stages may explain more than there is: then the bar is as long as they are.
    longest = max(max(one.mean_us, sum(part.us for part in one.parts)) for one in found)
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
    by_stage[UNATTRIBUTED] = max(0.0, found.unattributed_us)
    segments, x = [], float(LEFT)
    for stage, us in by_stage.items():
        width = us * scale
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


def color_of(stage: str, path: tuple[str, ...]) -> int:
    """The number of a stage's color, by its place on the path; longer paths use colors twice."""
    place = _place_of(stage, path)
    return place % COLORS if place < len(path) else COLORS


def _place_of(stage: str, path: tuple[str, ...]) -> int:
    """A stage's place on the path; what is unattributed comes last."""
    return path.index(stage) if stage in path else len(path)
