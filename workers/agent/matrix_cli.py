"""The command ``showdown matrix``: tests the traits of each datapath on this host."""

import os
import sys
from pathlib import Path

import click
from rich.console import Console

from domain.values.texts import error_text
from workers.agent.config import default_host, state_dir
from workers.agent.own_stdout import libraries_to_stderr

TRAITS_PAGE = Path(__file__).parents[2] / "docs" / "datapaths" / "traits.md"
_WIDTH = 132  # of the table, unless the terminal is wider


@click.command()
@click.option("--datapath", "names", multiple=True, metavar="NAME", help="Only this one; may be given several times.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with the evidence of each cell.")
@click.option("--evidence", is_flag=True, help="Print the evidence of each cell.")
@click.option("--write-docs", is_flag=True, help="Write this host's matrix into docs/datapaths/traits.md.")
def matrix(names: tuple[str, ...], as_json: bool, evidence: bool, write_docs: bool) -> None:
    """Test what each datapath preserves and supports. Traits: client address, UDP, half-close, fails closed …

    Takes about a minute, as root, in one lab after another. The result is kept in SHOWDOWN_STATE_DIR, and this host's
    worker reports it to the coordinator. Exit code 1 if a test broke.
    """
    from domain.trials.traits import Answer
    from workers.agent.capabilities import host_capabilities
    from workers.lab.cleanup import REGISTER_DIR, CleanupRegister
    from workers.traits.matrix.file import keep
    from workers.traits.matrix.run import MatrixRun
    from workers.traits.matrix.table import evidence_table, terminal_table, with_matrix

    if os.geteuid() != 0:
        raise click.ClickException("needs root: it makes network namespaces and loads BPF programs")
    host = os.environ.get("SHOWDOWN_HOST") or default_host()
    try:
        matrix_run = MatrixRun.installed(CleanupRegister(REGISTER_DIR), names)
    except LookupError as error:
        raise click.BadParameter(str(error), param_hint="--datapath") from error
    stderr = Console(stderr=True)
    with libraries_to_stderr(), stderr.status("probing this host") as status:
        found = matrix_run.run(host_capabilities(host), lambda name: status.update(f"testing {name}"))
    whole = keep(found, state_dir(os.environ, host))
    if as_json:
        click.echo(found.model_dump_json(indent=2))
    else:
        console = Console()
        console = Console(width=max(_WIDTH, console.width))
        console.print(terminal_table(found))
        if evidence:
            console.print(evidence_table(found))
    if write_docs:
        try:
            page = with_matrix(TRAITS_PAGE.read_text(encoding="utf-8"), whole)
            TRAITS_PAGE.write_text(page, encoding="utf-8")
        except (OSError, ValueError) as error:
            raise click.ClickException(f"{TRAITS_PAGE.name}: {error_text(error)}") from error
    if any(one.answer is Answer.ERROR for row in found.rows for one in row.findings.values()):
        sys.exit(1)
