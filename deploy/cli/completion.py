"""``showdown completion``: the script that completes commands, options and files in a shell."""

import click
from click.shell_completion import get_completion_class

VARIABLE = "_SHOWDOWN_COMPLETE"
SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS), default="bash")
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for SHELL.

    For bash: add  eval "$(showdown completion bash)"  to ~/.bashrc.
    """
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"there is no completion for {shell}")
    click.echo(found(ctx.find_root().command, {}, "showdown", VARIABLE).source())
