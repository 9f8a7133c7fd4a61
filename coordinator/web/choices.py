"""The variants that the form offers: what each is, where it runs, and why not elsewhere. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from coordinator.api.catalogue import VariantOnHosts
from domain.loads.workload import Parameter
from domain.values.names import datapath_of


@dataclass(frozen=True)
class ParameterField:
    """One parameter of a workload in the form; ``declared`` is ``None`` when no host knows it."""

    name: str
    value: str
    declared: Parameter | None
    errors: tuple[str, ...]

    @property
    def label(self) -> str:
        """The parameter's own name."""
        return self.name.rpartition(".")[2]


@dataclass(frozen=True)
class Choice:
    """One variant in the form: what it is, where it runs, and why not elsewhere."""

    name: str
    summary: str = ""
    function: str = ""
    tracking: str = ""  # whether its connections are tracked
    level_kinds: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    available: bool = False
    reasons: tuple[str, ...] = ()


def choice_of(variant: VariantOnHosts) -> Choice:
    """The choice of a variant."""
    return Choice(
        name=variant.name,
        summary=variant.summary,
        tracking=variant.tracking,
        function=variant.function or "",
        level_kinds=tuple(variant.level_kinds),
        parameters=tuple(variant.parameters),
        available=variant.available,
        reasons=tuple(f"{host}: {', '.join(reasons)}" for host, reasons in variant.hosts.items() if reasons)
        or (() if variant.available else ("no online host has it",)),
    )


def in_order(choices: Sequence[Choice], wanted: Iterable[str], first: Iterable[str]) -> list[Choice]:
    """The choices that run somewhere first, in the order of ``first``; wanted but unknown names last."""
    known = {choice.name for choice in choices}
    missing = [Choice(name=datapath_of(name)) for name in dict.fromkeys(wanted) if datapath_of(name) not in known]
    order: Mapping[str, int] = {name: index for index, name in enumerate(first)}
    ranked = sorted(choices, key=lambda c: (not c.available, order.get(c.name, len(order)), c.name))
    return [*ranked, *missing]
