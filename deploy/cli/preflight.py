"""What ``run`` checks before it starts anything: the file, the names of variants, and root."""

import os
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from deploy.cli.errors import CampaignInvalid, UsageProblem
from deploy.cli.output import located, read_text
from domain.campaign import read_campaign, toml_data
from domain.problems import InvalidInput, Problem
from domain.registry import variant_names
from domain.variant_names import unknown_names

GROUP = "showdown.variants"  # entry points: by family, the package with one file per variant


def check_campaign(path: Path) -> str:
    """The text of a campaign that the worker of this installation knows. It may still lack what this kernel lacks.

    Raises :class:`CampaignInvalid` with all problems, or :class:`UsageProblem`.
    """
    text = read_text(path)
    if problems := _problems(text):
        raise CampaignInvalid(located(text, problems), f"{path} is not a valid campaign")
    return text


def is_root() -> bool:
    """True if this process may create network namespaces and load BPF programs."""
    return os.geteuid() == 0


def check_root() -> None:
    """Raises :class:`UsageProblem` without root: then the private stack would start for nothing."""
    if not is_root():
        raise UsageProblem("'run' needs root, for network namespaces and BPF programs: run it with sudo")


def _problems(text: str) -> list[Problem]:
    data: Mapping[str, Any] = {}
    found: list[Problem] = []
    try:
        data = toml_data(text)
        read_campaign(data)
    except InvalidInput as error:
        found = list(error.problems)
    fields = {problem.field for problem in found}
    return found + [problem for problem in unknown_names(data, _known()) if problem.field not in fields]


def _known() -> dict[str, tuple[str, ...]]:
    """By family: the names of this installation's variants."""
    packages = {point.name: point.load() for point in entry_points(group=GROUP)}
    return {family: variant_names(package) for family, package in packages.items() if isinstance(package, ModuleType)}
