"""The commands of a worker host: ``showdown worker``, ``doctor``, ``workloads`` and ``sweep``."""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console

from domain.hosts.environment import name_process
from domain.loads.condition_terms import USAGE
from workers.agent.config import (
    ConfigError,
    WorkerSettings,
    default_host,
    keep_former_directory,
    state_dir,
    telemetry_dir,
)
from workers.agent.logs import configure
from workers.agent.own_stdout import libraries_to_stderr


@click.command()
@click.option("--loglevel", default="INFO", show_default=True, type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"]))
def worker(loglevel: str) -> None:
    """Run blocks on this host until stopped. Settings come from SHOWDOWN_* variables."""
    from workers.agent.app import create_worker
    from workers.agent.enrolment import await_acceptance, with_token
    from workers.agent.own_directory import own
    from workers.lab.cleanup import REGISTER_DIR
    from workers.lab.cleanup import sweep as sweep_register

    name_process("showdown-worker")
    try:
        configure(loglevel, os.environ)
        keep_former_directory(os.environ)
        settings = WorkerSettings.from_environment()
        own(settings.state_dir)
        settings = with_token(settings)
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
@click.option("--all", "everything", is_flag=True, help="List what is in order, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(as_json: bool, everything: bool) -> None:
    """Show what this host cannot run, with reasons and remedies.

    Also shows telemetry status: points that wait in SHOWDOWN_STATE_DIR, the last error, what the last block lost.
    Exit code 1 if no datapath runs.
    """
    from workers.agent.api_client import outbox_dir
    from workers.agent.capabilities import host_capabilities
    from workers.agent.doctor import print_capabilities, print_pipeline
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
        print_capabilities(capabilities, everything=everything)
        print_pipeline(health, everything=everything)
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
    console.print(f"Load levels are such as closed(64), with optional conditions: {USAGE}", highlight=False)


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
