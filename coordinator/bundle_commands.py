"""``showdown verify`` and ``showdown key``: bundles are verified without a coordinator, and without root."""

import json
from pathlib import Path
from typing import Any

import click

from coordinator.bundle.keys import KeyUnusable, PublicKey, signing_key
from coordinator.bundle.refusal import NotSigned, Unreadable, quoted
from coordinator.bundle.verify import Verification
from coordinator.bundle.verify import verify as verify_file
from coordinator.config import SettingsError, signing_key_file
from domain.service.verification import VerifyExit
from domain.values.texts import error_text

_SHOWN = 50  # differences
_MAX_KEY = 4096  # bytes of a file with a key


class _NotSigned(click.ClickException):
    exit_code = int(VerifyExit.NOT_SIGNED)


class _Unreadable(click.ClickException):
    exit_code = int(VerifyExit.UNREADABLE)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--key", "key_text", metavar="PUB", help="Who must have signed it: a key as 'showdown key' prints it, "
              "or a file with one. Without it, any key may have signed.")  # fmt: skip
@click.option("--all", "show_all", is_flag=True, help=f"Print every difference, not the first {_SHOWN}.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
@click.pass_context
def verify(ctx: click.Context, file: Path, key_text: str | None, *, show_all: bool, as_json: bool) -> None:
    """Analyse the raw trials of the bundle FILE again, and compare every word and number with its report.

    Exit codes: 0 the same; 8 something differs; 9 the signature or a hash is wrong; 10 this version cannot read it.
    """
    key = None if key_text is None else _public_key(key_text)
    try:
        with file.open("rb") as opened:
            found = verify_file(opened, key)
    except NotSigned as error:
        raise _NotSigned(f"{file}: {error}") from error
    except Unreadable as error:
        raise _Unreadable(f"{file}: {error}") from error
    except OSError as error:
        raise click.UsageError(f"{file} cannot be read: {error.strerror}") from error
    if as_json:
        click.echo(json.dumps(_json_of(found), indent=2, allow_nan=False))
    else:
        _print(found, len(found.differences) if show_all else _SHOWN, is_known=key is not None)
    ctx.exit(int(VerifyExit.SAME if found.is_same else VerifyExit.DIFFERS))


@click.command()
@click.option("--pem", is_flag=True, help="Print it as PEM, for OpenSSL.")
def key(*, pem: bool) -> None:
    """Print the public key of this installation, which signs its bundles. It is made at its first use."""
    try:
        public = signing_key(signing_key_file()).public
    except (KeyUnusable, SettingsError) as error:
        raise click.UsageError(str(error)) from error
    click.echo(public.pem.rstrip() if pem else public.text)


def _public_key(text: str) -> PublicKey:
    path = Path(text)
    try:
        if len(text) < _MAX_KEY and path.is_file():
            with path.open(encoding="ascii") as file:
                text = file.read(_MAX_KEY)
        return PublicKey.parse(text)
    except (OSError, ValueError) as error:
        raise click.BadParameter(f"{error_text(error)}; 'showdown key' prints a key", param_hint="--key") from error


def _print(found: Verification, most: int, *, is_known: bool) -> None:
    manifest = found.manifest
    click.echo(f"campaign  {manifest.campaign} {manifest.name}, {quoted(manifest.state).strip(chr(34))}")
    whose = "as asked for" if is_known else "the key that the bundle names: compare it, or give --key"
    click.echo(f"signed by {found.key.text} ({whose})")
    click.echo(f"content   {found.attempts:,} attempts, {found.trials:,} trials, {found.verdicts:,} verdicts")
    if not found.is_same_analysis:
        click.echo(f"analysis  the bundle's: {quoted(manifest.analysis.text).strip(chr(34))}")
        click.echo(f"          this one:     {found.analysis.text}")
    for place in found.not_compared[:most]:
        click.echo(f"not compared, because only one of the two versions has it: {_place(place)}")
    if found.is_same:
        click.echo("the same: every word and number of the report follows from the trials")
        return
    for one in found.differences[:most]:
        click.echo(f"differs: {_place(one.place)}: {quoted(one.bundle)} in the bundle, {quoted(one.found)} found again")
    if (more := len(found.differences) - most) > 0:
        click.echo(f"and {more:,} more differences: --all prints them")
    if not found.is_same_analysis:
        click.echo("The analysis is of another version: use the bundle's to see whether that is the cause.")


def _place(place: str) -> str:
    return quoted(place).strip('"')


def _json_of(found: Verification) -> dict[str, Any]:
    return {
        "same": found.is_same,
        "campaign": found.manifest.campaign,
        "name": found.manifest.name,
        "key": found.key.text,
        "attempts": found.attempts,
        "trials": found.trials,
        "verdicts": found.verdicts,
        "analysis": {"bundle": found.manifest.analysis.model_dump(), "found": found.analysis.model_dump()},
        "not_compared": list(found.not_compared),
        "differences": [{"place": one.place, "bundle": one.bundle, "found": one.found} for one in found.differences],
    }
