"""The words of a report: reasons, verdicts, exit statuses, causes of telemetry loss."""

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path

from deploy.cli.errors import MEANINGS
from docs.generator.blocks import BlockError
from docs.generator.tables import table
from domain.report import Family, VerdictWord
from domain.telemetry import CAUSES
from domain.trial import TRANSIENT_REASONS, Reason

_WORDS = Path(__file__).with_name("results.toml")


def reasons_table() -> str:
    """Every reason for which a trial is invalid: what it means, and what to do."""
    rows = [
        (f"`{reason}`", words["meaning"], words["do"], "yes" if reason in TRANSIENT_REASONS else "no")
        for reason, words in ((one, _words("reason", one)) for one in sorted(Reason))
    ]
    return table(("reason", "what happened", "what to do", "block is retried"), rows)


def verdicts_table() -> str:
    """Every verdict word."""
    return table(("verdict", "meaning"), [(f"`{one}`", _words("verdict", one)["meaning"]) for one in VerdictWord])


def families_table() -> str:
    """Every family of comparisons."""
    return table(("family", "meaning"), [(f"`{one}`", _words("family", one)["meaning"]) for one in Family])


def exit_statuses_table() -> str:
    """Every exit status of the command line."""
    return table(
        ("status", "meaning"),
        [(f"`{code.value}`", f"{text[:1].upper()}{text[1:]}.") for code, text in MEANINGS.items()],
    )


def losses_table() -> str:
    """Every cause for which a telemetry point is lost."""
    return table(("cause", "meaning"), [(f"`{cause}`", text) for cause, text in CAUSES.items()])


def _words(section: str, one: StrEnum) -> Mapping[str, str]:
    try:
        return all_words()[section][one.value]
    except KeyError:
        raise BlockError(f"{_WORDS.name} lacks [{section}.{one.value}]: say what it means") from None


@cache
def all_words() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    return tomllib.loads(_WORDS.read_text())
