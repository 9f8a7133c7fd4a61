"""What the registries know of datapaths, probes and workloads."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import probes.catalog
import workers.datapaths
import workers.workloads
from docs.generator.tables import code, table
from domain.loads.condition_terms import LISTED
from domain.probes.place import Place
from domain.values.names import FUNCTIONS, LIMIT
from domain.values.registry import discover
from probes.base import Probe
from probes.tracing import tracepoints_of
from workers.datapaths.base import Datapath
from workers.workloads.base import Workload


@cache
def datapaths() -> tuple[Datapath, ...]:
    """Every datapath, by function and name; the limit first."""
    found = discover(workers.datapaths, Datapath).values()
    return tuple(sorted(found, key=lambda one: (_order(one.function), one.role != LIMIT, one.name)))


def datapaths_in_short() -> str:
    """README's table: a row for each function."""
    links = {one: f"[`{one.name}`](docs/datapaths/{one.name}.md)" for one in datapaths()}
    rows = [(word, ", ".join(link for one, link in links.items() if one.function == function))
            for function, word in FUNCTIONS.items()]  # fmt: skip
    return table(("what they do", "datapaths"), [row for row in rows if row[1]])


def datapaths_in_full() -> str:
    """The table of docs/datapaths/index.md."""
    head = ("datapath", "function", "what it is", "IP versions", "carries", "tracked by conntrack", "needs")
    return table(head, [_datapath_row(one) for one in datapaths()])


def datapath_limits() -> str:
    """What a datapath takes from the block that it is in, and which stages do not apply to it."""
    head = ("datapath", "offloads that the block does without", "stages that do not apply", "one client only, because",
            "conditions that it cannot have")  # fmt: skip
    rows = [
        (_link(one.name), code(sorted(_of(one, "without", "disabled_offloads"))),
         code(sorted(_of(one, "unseen", "bypassed_stages"))), one.one_client,
         code(term.usage for term in LISTED if term.field in one.excludes))
        for one in datapaths()
    ]  # fmt: skip
    return table(head, [row for row in rows if any(row[1:])])


def catalogue_list() -> str:
    """``datapaths = […]`` of the catalogue campaign, a line per function."""
    lines = []
    for function in sorted({one.function for one in datapaths()}, key=_order):
        names = ", ".join(f'"{one.name}"' for one in datapaths() if one.function == function)
        lines += _wrapped(f"{names},", 110)
    return "\n".join(["datapaths = [", *(f"  {line}" for line in lines), "]"])


def probes_table() -> str:
    """The table of docs/probes/index.md."""
    head = ("probe", "place on the path", "roles", "tracepoints", "one sample in", "what it measures")
    return table(head, [_probe_row(one) for one in discover(probes.catalog, Probe).values()])


def workloads_table() -> str:
    """The workloads, their loads and protocols."""
    head = ("workload", "levels", "carries", "origin", "what it is")
    return table(head, [
        (f"`{one.name}`", code(one.level_kinds), one.protocol, one.origin, one.summary) for one in _workloads()
    ])  # fmt: skip


def parameters_table() -> str:
    """What a campaign may choose of each workload."""
    rows = [
        (f"`{one.name}`", f"`{parameter.name}`", f"{parameter.default:,}", parameter.limits, parameter.summary)
        for one in _workloads()
        for parameter in one.parameters
    ]
    return table(("workload", "parameter", "default", "limits", "what it sets"), rows)


def _workloads() -> Iterable[Workload]:
    return discover(workers.workloads, Workload).values()


def _datapath_row(one: Datapath) -> tuple[str, ...]:
    versions = ", ".join(str(version) for version in sorted(one.ip_versions))
    carries = ", ".join(sorted(one.protocols))
    return _link(one.name), one.function, one.summary, versions, carries, one.tracking.value, code(one.requires)


def _probe_row(one: Any) -> tuple[str, ...]:
    roles = code(role for role in one.roles if role)
    where = _place(one.place)
    return _link(one.name), where, roles, code(tracepoints_of(one.source)), str(one.sample_every), f"{one.summary}."


def _place(place: Place | None) -> str:
    if place is None:
        return "beside it"
    inside = [
        f"{role} in `{outer.stage}`{f' ({outer.role})' if outer.role else ''}" for role, outer in place.within.items()
    ]
    return "; ".join([str(place.order), *inside])


def _of(variant: Any, *names: str) -> frozenset[str]:
    return next((frozenset(getattr(variant, name)) for name in names if hasattr(variant, name)), frozenset())


def _link(name: str) -> str:
    return f"[`{name}`]({name}.md)"


def _order(function: str) -> int:
    return list(FUNCTIONS).index(function)


def _wrapped(text: str, width: int) -> list[str]:
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return [*lines, line]
