"""The commands of a worker host: ``showdown worker``, ``doctor``, ``workloads`` and ``sweep``."""

import json
import logging
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from domain.condition import TERMS
from domain.jobs import Feature, HostCapabilities, Variant
from domain.placement import CPU_PLACEMENT
from workers.agent.config import (
    ConfigError,
    WorkerSettings,
    default_host,
    keep_former_directory,
    state_dir,
    telemetry_dir,
)
from workers.agent.own_stdout import libraries_to_stderr

if TYPE_CHECKING:
    from workers.inventory.pipeline import PipelineHealth


@click.command()
@click.option("--loglevel", default="INFO", show_default=True, type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"]))
def worker(loglevel: str) -> None:
    """Run blocks on this host until stopped. Settings come from SHOWDOWN_* variables."""
    from workers.agent.app import create_worker
    from workers.agent.enrolment import await_acceptance, with_token
    from workers.lab.cleanup import REGISTER_DIR
    from workers.lab.cleanup import sweep as sweep_register

    logging.basicConfig(level=loglevel, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        keep_former_directory(os.environ)
        settings = with_token(WorkerSettings.from_environment())
        sweep_register(REGISTER_DIR)
        await_acceptance(settings)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error
    # Celery imports the module of its tasks with the working directory first on the path of modules.
    os.chdir(Path(__file__).parents[2])
    app = create_worker(settings)
    app.worker_main(
        ["worker", "--loglevel", loglevel, "--pool", "prefork", "--concurrency", "1", "--without-gossip",
         "--without-mingle", "--without-heartbeat", "--hostname", f"showdown@{settings.host}"]
    )  # fmt: skip


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(as_json: bool) -> None:
    """Say what this host can run. Each "no" has its reason and remedy. Exit code 1 if no datapath runs.

    Also shows telemetry status: points that wait in SHOWDOWN_STATE_DIR, the last error, what the last block lost.
    """
    from workers.agent.api_client import outbox_dir
    from workers.agent.capabilities import host_capabilities
    from workers.agent.outbox import outbox_state
    from workers.inventory.pipeline import pipeline_health

    host = os.environ.get("SHOWDOWN_HOST") or default_host()
    directory = state_dir(os.environ, host)
    with libraries_to_stderr():
        capabilities = host_capabilities(host)
    health, outbox = pipeline_health(telemetry_dir(directory)), outbox_state(outbox_dir(directory))
    if as_json:
        parts = {"pipeline": health.model_dump(mode="json"), "outbox": asdict(outbox)}
        click.echo(json.dumps({**capabilities.model_dump(mode="json"), **parts}, indent=2))
    else:
        _print(capabilities)
        _print_pipeline(health)
        click.echo(f"Reports for the coordinator, in {outbox.directory}: {outbox.text}")
    if not any(variant.available for variant in capabilities.datapaths):
        sys.exit(1)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def workloads(as_json: bool) -> None:
    """List the workloads and their parameters.

    A campaign sets the parameters in [parameters.WORKLOAD] of its TOML.
    """
    from workers.agent.capabilities import workload_variants

    found = workload_variants()
    if as_json:
        click.echo(json.dumps({"workloads": [one.model_dump(mode="json", exclude={"missing"}) for one in found]}))
        return
    console = Console()
    for one in found:
        loads, protocols = ", ".join(one.level_kinds), ", ".join(one.protocols)
        console.print(f"[bold]{one.name}[/bold] ({protocols}; {loads})", highlight=False)
        console.print(f"  {one.summary}", highlight=False)
        for parameter in one.parameters:
            console.print(
                f"  {parameter.name} = {parameter.default}: {parameter.summary} {parameter.limits}", highlight=False
            )
    console.print(f"Load levels are such as closed(64), with optional conditions: {TERMS}", highlight=False)


@click.command()
@click.option(
    "--all", "everything", is_flag=True, help="Also remove namespaces with the prefix sd- that no register lists."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def sweep(everything: bool, as_json: bool) -> None:
    """Remove what killed workers left on this machine.

    These are namespaces, processes and files of Showdown only.
    """
    from workers.lab.cleanup import REGISTER_DIR, foreign_leftovers, remove_netns
    from workers.lab.cleanup import sweep as sweep_register

    removed = sweep_register(REGISTER_DIR)
    if everything:
        removed += [item for name in foreign_leftovers(REGISTER_DIR) for item in remove_netns(name)]
    if as_json:
        click.echo(json.dumps({"removed": removed}))
    else:
        click.echo("\n".join(removed) if removed else "nothing to sweep")


def _print(capabilities: HostCapabilities) -> None:
    console = Console()
    families: tuple[tuple[str, tuple[Variant, ...]], ...] = (
        ("datapath", capabilities.datapaths),
        ("workload", capabilities.workloads),
        ("probe", capabilities.probes),
    )
    table = Table("", "", "here", "why not, and what to do", title=f"Host {capabilities.host}")
    for family, variants in families:
        for variant in variants:
            table.add_row(family, variant.name, _yes(variant.available), "; ".join(variant.missing))
    table.add_section()
    for feature in capabilities.features:
        table.add_row("feature", feature.name, _yes(feature.present), _why(feature))
    table.caption = "Features that nothing above requires are listed for information."
    console.print(table)
    console.print(f"CPU placement: {capabilities.fingerprint.get(CPU_PLACEMENT, 'unknown')}", highlight=False)


def _print_pipeline(health: "PipelineHealth") -> None:
    from workers.inventory.pipeline import rows

    table = Table("", "", title=f"Telemetry pipeline: {'well' if health.well else '[yellow]needs attention[/]'}")
    for name, text in rows(health):
        table.add_row(name, escape(text))
    table.caption = escape(health.directory)
    Console().print(table)


def _yes(present: bool) -> str:
    return "[green]yes[/]" if present else "[red]no[/]"


def _why(feature: Feature) -> str:
    return "" if feature.present else f"{feature.reason} {feature.remedy}".strip()
