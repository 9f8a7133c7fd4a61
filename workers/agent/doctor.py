"""What ``showdown doctor`` prints: what needs attention first, and the rest on request."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from domain.hosts.placement import CPU_PLACEMENT
from domain.service.jobs import Feature, HostCapabilities, Variant
from workers.inventory.pipeline import PipelineHealth, rows


def print_capabilities(capabilities: HostCapabilities, *, everything: bool) -> None:
    """How much runs and is present, then what is missing and why; ``everything`` lists what is in order, too."""
    console = Console()
    console.print(f"[bold]Host {capabilities.host}[/]", highlight=False)
    for family, variants in _families(capabilities):
        console.print(f"  {_count([one.available for one in variants])} {family}s run here", highlight=False)
    console.print(f"  {_count([one.present for one in capabilities.features])} features are present", highlight=False)
    table = Table("", "", "here", "why not, and what to do")
    for family, variants in _families(capabilities):
        for variant in variants:
            if everything or not variant.available:
                table.add_row(family, variant.name, _yes(variant.available), escape("; ".join(variant.missing)))
    table.add_section()
    for feature in capabilities.features:
        if everything or not feature.present:
            table.add_row("feature", feature.name, _yes(feature.present), escape(_why(feature)))
    table.caption = "Features that nothing above requires are listed for information."
    if not everything:
        table.caption += " --all lists what is in order, too."
    if table.row_count:
        console.print(table)
    console.print(f"CPU placement: {capabilities.fingerprint.get(CPU_PLACEMENT, 'unknown')}", highlight=False)


def print_pipeline(health: PipelineHealth, *, everything: bool) -> None:
    """The telemetry pipeline: one word if it is healthy."""
    console = Console()
    if health.well and not everything:
        console.print("Telemetry pipeline: healthy", highlight=False)
        return
    table = Table("", "", title=f"Telemetry pipeline: {'healthy' if health.well else '[yellow]needs attention[/]'}")
    for name, text in rows(health):
        table.add_row(name, escape(text))
    table.caption = escape(health.directory)
    console.print(table)


def _families(capabilities: HostCapabilities) -> tuple[tuple[str, tuple[Variant, ...]], ...]:
    return (
        ("datapath", capabilities.datapaths),
        ("workload", capabilities.workloads),
        ("probe", capabilities.probes),
    )


def _count(good: Sequence[bool]) -> str:
    return f"all {len(good)}" if all(good) else f"[yellow]{sum(good)} of {len(good)}[/]"


def _yes(present: bool) -> str:
    return "[green]yes[/]" if present else "[red]no[/]"


def _why(feature: Feature) -> str:
    return "" if feature.present else f"{feature.reason} {feature.remedy}".strip()
