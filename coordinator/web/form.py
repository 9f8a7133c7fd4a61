"""The campaign form: HTML fields ↔ the plain mapping that :func:`domain.campaign.read_campaign` takes. Pure.

The form checks nothing itself. It turns digits into numbers, leaves out what was left empty, and finds the field
that each problem belongs to: limits and messages are the domain's. An empty form proposes the reference campaign.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Any

from werkzeug.datastructures import MultiDict

from coordinator.web import expect_field, line_fields
from domain.campaign import Campaign, read_campaign_toml
from domain.crossing import MAX_LEVELS
from domain.names import datapath_of
from domain.primary import read_primary
from domain.problems import Problem
from domain.workload import Parameter

_TEXTS = ("name", "description", "reference", "budget")
_INTEGERS = ("blocks", "slices", "clients", "seed", "focus_slices")
_NUMBERS = ("slice_s", "open_slice_s", "warm_up_s", "equivalence_margin", "precision")
_AREAS = (expect_field.FIELD, *line_fields.FIELDS)
_LISTS = ("datapaths", "workloads", "probes", "hosts")
_FLAGS = ("flame_graphs",)
COPY = "copy"  # the form's field for a datapath's second copy (A/A)
PARAMETERS = "parameters."  # and the beginning of the fields of workloads' parameters: parameters.stream.tokens

REFERENCE = "campaigns/showdown.toml"  # in the package deploy: what an empty form proposes


Submitted = MultiDict[str, str]  # what Flask's form is: several values per field, in the order of the page


@dataclass(frozen=True)
class Form:
    """The form as shown: texts as typed, and the problems beside their fields."""

    values: Mapping[str, str] = field(default_factory=dict)
    chosen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    levels: tuple[tuple[str, str], ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)  # by field
    problems: tuple[Problem, ...] = ()
    toml: str = ""
    spare_rows: int = 1

    def errors(self, name: str) -> list[str]:
        """The messages that belong beside the field ``name``, those of its entries included."""
        return [_message(p, name) for p in self.problems if _field_of(p) == name]

    def level_errors(self, name: str) -> list[str]:
        """The messages of one level's row."""
        return [p.message for p in self.problems if _level_of(p) == name]

    def parameters_of(self, choice: "Choice") -> list["ParameterField"]:
        """The fields of a workload's parameters; last those that were given and that no host knows."""
        declared = {f"{PARAMETERS}{choice.name}.{one.name}": one for one in choice.parameters}
        given = [name for name in self.parameters if name.startswith(f"{PARAMETERS}{choice.name}.")]
        return [
            ParameterField(name, self.parameters.get(name, ""), declared.get(name), self._messages(name))
            for name in dict.fromkeys([*declared, *given])
        ]

    def _messages(self, name: str) -> tuple[str, ...]:
        return tuple(p.message for p in self.problems if p.field == name)

    @property
    def general_errors(self) -> list[str]:
        """Messages that belong to no field of the form, and those of levels without a row."""
        fields = {*_TEXTS, *_INTEGERS, *_NUMBERS, *_LISTS, *_AREAS, "levels", *self.parameters}
        rows = {name for name, _ in self.levels}
        return [str(p) for p in self.problems if _field_of(p) not in fields and _level_of(p) not in rows]

    @property
    def rows(self) -> tuple[tuple[str, str], ...]:
        """The levels, and empty rows while there is room."""
        return (*self.levels, *[("", "")] * self.spare_rows)[:MAX_LEVELS]

    def with_rows(self, more: int) -> "Form":
        """The same form with ``more`` empty rows for levels."""
        return replace(self, spare_rows=self.spare_rows + more)

    def references(self, names: Iterable[str]) -> tuple[str, ...]:
        """Labels that may be the reference, of the datapaths on the page: the copies that are ticked too."""
        wanted = self.values.get("reference", "")
        found = [*names, *(f"{name}#2" for name in self.chosen.get(COPY, ()))]
        return tuple(dict.fromkeys([*found, wanted] if wanted else found))


@cache
def reference_campaign() -> Campaign:
    """The reference campaign, whose file is installed beside the coordinator."""
    return read_campaign_toml((files("deploy") / REFERENCE).read_text(encoding="utf-8"))


def blank(available: Mapping[str, Sequence[str]] | None = None) -> Form:
    """The form as first shown: the reference campaign, as much of it as is ``available`` by family somewhere."""
    data = reference_campaign().model_dump(mode="json")
    for family, names in (available or {}).items():
        data[family] = [name for name in data[family] if name in names] if names else data[family]
    if data["reference"] not in data["datapaths"]:
        data["reference"] = ""
    pairs = {entry: read_primary(entry) for entry in data["primary"]}
    data["primary"] = [text for text, one in pairs.items() if {one.label, one.reference} <= set(data["datapaths"])]
    if not set(data["focus"]) <= set(data["datapaths"]):
        data |= {"focus": [], "focus_levels": [], "focus_slices": None}
    return shown(data)


def of_campaign(campaign: Campaign) -> Form:
    """The form filled with a campaign, to submit it again or change it."""
    return shown(campaign.model_dump(mode="json"))


def shown(data: Mapping[str, Any]) -> Form:
    """A form that shows the fields of a campaign's mapping."""
    datapaths = tuple(data.get("datapaths", ()))
    lists = {name: tuple(dict.fromkeys(data.get(name, ()))) for name in _LISTS}
    copies = tuple(name for name in lists["datapaths"] if datapaths.count(name) > 1)
    names = (*_TEXTS, *_INTEGERS, *_NUMBERS)
    return Form(
        values={name: "" if data.get(name) is None else f"{data[name]}" for name in names}
        | {name: "on" if data.get(name) else "" for name in _FLAGS}
        | {expect_field.FIELD: expect_field.text_of(data.get(expect_field.FIELD, {}))}
        | line_fields.texts_of(data),
        chosen={**lists, COPY: copies},
        levels=tuple(data.get("levels", {}).items()),
        parameters={
            f"{PARAMETERS}{workload}.{name}": f"{value}"
            for workload, values in data.get("parameters", {}).items()
            for name, value in values.items()
        },
    )


def submitted(form: Submitted, problems: Iterable[Problem] = ()) -> Form:
    """The form as it came in, every keystroke kept."""
    return Form(
        values={name: form.get(name, "") for name in (*_TEXTS, *_INTEGERS, *_NUMBERS, *_FLAGS, *_AREAS)},
        chosen={name: tuple(form.getlist(name)) for name in (*_LISTS, COPY)},
        levels=tuple(_level_rows(form)),
        parameters={name: value for name, value in form.items() if name.startswith(PARAMETERS)},
        problems=tuple(problems),
    )


def with_toml(text: str, problems: Iterable[Problem]) -> Form:
    """The form as first shown, beside the TOML as it came in."""
    return replace(blank(), problems=tuple(problems), toml=text)


def mapping_of(form: Submitted) -> dict[str, Any]:
    """What was typed, as the mapping that a TOML file would have given."""
    data: dict[str, Any] = {name: form.get(name, "").strip() for name in _TEXTS}
    data |= {name: _integer(form.get(name, "")) for name in _INTEGERS}
    data |= {name: _number(form.get(name, "")) for name in _NUMBERS}
    data |= {name: True if form.get(name) else "" for name in _FLAGS}
    data = {name: value for name, value in data.items() if value != ""}
    data |= line_fields.mapping_of(form)
    lists = {name: form.getlist(name) for name in _LISTS}
    lists["datapaths"] += [name for name in form.getlist(COPY) if name in lists["datapaths"]]
    # The two lists that a campaign cannot do without are always named, so that their absence is a problem.
    data |= {name: values for name, values in lists.items() if values or name in ("datapaths", "workloads")}
    data["levels"] = dict(_level_rows(form))
    if expected := expect_field.expectations_of(form.get(expect_field.FIELD, "")):
        data[expect_field.FIELD] = expected
    if parameters := _parameters(form, lists["workloads"]):
        data["parameters"] = parameters
    return data


def _parameters(form: Submitted, workloads: Sequence[str]) -> dict[str, dict[str, int | str]]:
    """What was given for the ticked workloads; the others' fields stand on the page, too, and ask for nothing."""
    found: dict[str, dict[str, int | str]] = {}
    for field_name, value in form.items():
        workload, _, name = field_name.removeprefix(PARAMETERS).partition(".")
        if field_name.startswith(PARAMETERS) and workload in workloads and value.strip():
            found.setdefault(workload, {})[name] = _integer(value)
    return found


def repeated_names(form: Submitted) -> list[Problem]:
    """A mapping cannot hold a name twice, so this one problem is found here."""
    names = [name for name, _ in _level_rows(form)]
    repeated = dict.fromkeys(name for name in names if names.count(name) > 1)
    levels = [Problem(field=f"levels.{name}", message="named twice; name each level once") for name in repeated]
    return levels + expect_field.repeated_names(form.get(expect_field.FIELD, ""))


def _level_rows(form: Submitted) -> list[tuple[str, str]]:
    rows = zip(form.getlist("level_name"), form.getlist("level_load"), strict=False)
    return [(name.strip(), load.strip()) for name, load in rows if name.strip() or load.strip()]


def _integer(text: str) -> int | str:
    text = text.strip()
    with suppress(ValueError):
        return int(text)
    return text


def _number(text: str) -> float | str:
    text = text.strip()
    with suppress(ValueError):
        return float(text)
    return text


def _field_of(problem: Problem) -> str:
    # A list's entries are shown with the list, and so are expectations; each level has its row.
    first, _, rest = problem.field.partition(".")
    return first if not rest or first in (*_LISTS, *_AREAS) else problem.field


def _level_of(problem: Problem) -> str | None:
    parts = problem.field.split(".")
    return parts[1] if parts[0] == "levels" and len(parts) > 1 else None


def _message(problem: Problem, name: str) -> str:
    rest = problem.field[len(name) + 1 :]
    if not rest:
        return problem.message
    return f"number {int(rest) + 1}: {problem.message}" if rest.isdigit() else f"{rest}: {problem.message}"


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


def in_order(choices: Sequence[Choice], wanted: Iterable[str]) -> list[Choice]:
    """The choices that run somewhere first, in the reference campaign's order; wanted but unknown names last."""
    known = {choice.name for choice in choices}
    missing = [Choice(name=datapath_of(name)) for name in dict.fromkeys(wanted) if datapath_of(name) not in known]
    reference = reference_campaign()
    order = {name: index for index, name in enumerate((*reference.datapaths, *reference.probes))}
    ranked = sorted(choices, key=lambda c: (not c.available, order.get(c.name, len(order)), c.name))
    return [*ranked, *missing]
