"""What ``run`` checks before it starts anything, and ``validate`` alone: the file, the names of variants, and root."""

import os
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from deploy.cli.errors import CampaignInvalid, UsageProblem
from deploy.cli.output import located, read_text
from domain.campaigns.campaign import read_campaign, toml_data
from domain.loads.workload import Parameter, fill_parameters
from domain.service.variant_names import unknown_names
from domain.values.problems import InvalidInput, Problem
from domain.values.registry import variant_class, variant_names

GROUP = "showdown.variants"  # entry points: by family, the package with one file per variant


def check_campaign(path: Path) -> str:
    """The text of a campaign that the worker of this installation knows. It may still lack what this kernel lacks.

    Raises :class:`CampaignInvalid` with all problems, or :class:`UsageProblem`.
    """
    text = read_text(path)
    if problems := campaign_problems(text):
        raise CampaignInvalid(located(text, problems), f"{path} is not a valid campaign")
    return text


def is_root() -> bool:
    """True if this process may create network namespaces and load BPF programs."""
    return os.geteuid() == 0


def check_root() -> None:
    """Raises :class:`UsageProblem` without root: then the private stack would start for nothing."""
    if not is_root():
        raise UsageProblem("'run' needs root, for network namespaces and BPF programs: run it with sudo")


def campaign_problems(text: str) -> list[Problem]:
    """Every problem of a campaign that this installation finds without a host: of fields, values and names."""
    data: Mapping[str, Any] = {}
    found: list[Problem] = []
    try:
        data = toml_data(text)
        read_campaign(data)
    except InvalidInput as error:
        found = list(error.problems)
    packages = _packages()
    known = {family: variant_names(package) for family, package in packages.items()}
    for more in (unknown_names(data, known), _wrong_parameters(data, packages.get("workloads"))):
        fields = {problem.field for problem in found}
        found += [problem for problem in more if problem.field not in fields]
    return found


def _packages() -> dict[str, ModuleType]:
    """By family: the package with one file for each variant of this installation."""
    packages = {point.name: point.load() for point in entry_points(group=GROUP)}
    return {family: package for family, package in packages.items() if isinstance(package, ModuleType)}


def _wrong_parameters(data: Mapping[str, Any], workloads: ModuleType | None) -> Iterator[Problem]:
    """Parameters that a workload does not take; only the workloads that have parameters here are imported."""
    given = data.get("parameters")
    names = variant_names(workloads) if workloads is not None else ()
    for name, values in given.items() if isinstance(given, dict) else ():
        if workloads is None or name not in names or not _is_whole_numbers(values):
            continue
        declared: Sequence[Parameter] = getattr(variant_class(workloads, name), "parameters", ())
        try:
            fill_parameters(name, declared, values)
        except InvalidInput as error:
            yield from error.problems


def _is_whole_numbers(values: object) -> bool:
    """Whether the values of a workload have the right type; what has not is a problem of its field already."""
    return isinstance(values, dict) and all(type(value) is int for value in values.values())
