"""The words of a report: reasons, verdicts, exit statuses, causes of telemetry loss."""

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path

from deploy.cli.errors import MEANINGS
from docs.generator.blocks import BlockError
from docs.generator.tables import table
from domain.probes.telemetry import CAUSES
from domain.reports.report import Family
from domain.reports.verdict_words import VerdictWord
from domain.trials.reasons import EXPLANATIONS, is_retried
from domain.trials.trial import Reason

_WORDS = Path(__file__).with_name("results.toml")


def reasons_table() -> str:
    """Every reason for which a trial is invalid: what it means, and what to do."""
    missing = sorted(set(Reason) - set(EXPLANATIONS))
    if missing:
        raise BlockError(
            f"domain/trials/reasons.py lacks {', '.join(missing)}: say what each means, its cause and its remedy"
        )
    rows = [
        (f"`{reason}`", found.meaning, found.cause, found.remedy, "yes" if is_retried(reason) else "no")
        for reason, found in ((one, EXPLANATIONS[one]) for one in sorted(Reason))
    ]
    return table(("reason", "what happened", "usual cause", "what to do", "block is retried"), rows)


def verdicts_table() -> str:
    """Every verdict word."""
    return table(("verdict", "meaning"), [(f"`{one}`", one.meaning) for one in VerdictWord])


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
