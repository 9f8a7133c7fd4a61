"""The campaign form: HTML fields ↔ the plain mapping that :func:`domain.campaigns.campaign.read_campaign` takes. Pure.

The form checks nothing itself. It turns digits into numbers, leaves out what was left empty, and finds the field
that each problem belongs to: limits and messages are the domain's. An empty form proposes the reference campaign.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

from werkzeug.datastructures import MultiDict

from coordinator.web import expect_field, line_fields
from coordinator.web.choices import Choice, ParameterField
from coordinator.web.level_rows import LevelRow, row_of, rows_of
from coordinator.web.presets import fitted, reference_campaign
from domain.campaigns.campaign import Campaign
from domain.loads.crossing import MAX_LEVELS
from domain.values.problems import Problem, place_in_list

_TEXTS = ("name", "description", "reference", "budget")
_INTEGERS = ("blocks", "slices", "clients", "seed", "focus_slices")
_NUMBERS = ("slice_s", "open_slice_s", "warm_up_s", "equivalence_margin", "precision")
_AREAS = (expect_field.FIELD, *line_fields.FIELDS)
_LISTS = ("datapaths", "workloads", "probes", "hosts")
_FLAGS = ("flame_graphs", "leave_out_missing")
COPY = "copy"  # the form's field for a datapath's second copy (A/A)
PARAMETERS = "parameters."  # and the beginning of the fields of workloads' parameters: parameters.stream.tokens

Submitted = MultiDict[str, str]  # what Flask's form is: several values per field, in the order of the page


@dataclass(frozen=True)
class Form:
    """The form as shown: texts as typed, and the problems beside their fields."""

    values: Mapping[str, str] = field(default_factory=dict)
    chosen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    levels: tuple[LevelRow, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)  # by field
    problems: tuple[Problem, ...] = ()
    spare_rows: int = 1

    def errors(self, name: str) -> list[str]:
        """The messages that belong beside the field ``name``, those of its entries included."""
        return [self._message(p, name) for p in self.problems if field_of(p) == name]

    def level_errors(self, name: str) -> list[str]:
        """The messages of one level's row."""
        return [p.message for p in self.problems if level_of(p) == name]

    def parameters_of(self, choice: Choice) -> list[ParameterField]:
        """The fields of a workload's parameters; last those that were given and that no host knows."""
        declared = {f"{PARAMETERS}{choice.name}.{one.name}": one for one in choice.parameters}
        given = [name for name in self.parameters if name.startswith(f"{PARAMETERS}{choice.name}.")]
        return [
            ParameterField(name, self.parameters.get(name, ""), declared.get(name), self._messages(name))
            for name in dict.fromkeys([*declared, *given])
        ]

    def _messages(self, name: str) -> tuple[str, ...]:
        return tuple(p.message for p in self.problems if p.field == name)

    def _message(self, problem: Problem, name: str) -> str:
        rest = problem.field[len(name) + 1 :]
        if not rest:
            return problem.message
        place = place_in_list(rest)
        if place is not None and name in _LISTS:  # a box has no number, but it has a name
            names = self.chosen.get(name, ())
            entry = names[place] if place < len(names) else ""
            return problem.message if entry in problem.message else f"{entry}: {problem.message}"
        return f"{rest}: {problem.message}" if place is None else f"line {place + 1}: {problem.message}"

    @property
    def general_errors(self) -> list[str]:
        """Messages that belong to no field of the form, and those of levels without a row."""
        return [str(problem) for problem in self.problems if not self.has_place(problem)]

    def has_place(self, problem: Problem) -> bool:
        """True if the problem is shown next to a field."""
        fields = {*_TEXTS, *_INTEGERS, *_NUMBERS, *_LISTS, *_AREAS, "levels", *self.parameters}
        return field_of(problem) in fields or level_of(problem) in {row.name for row in self.levels}

    @property
    def rows(self) -> tuple[LevelRow, ...]:
        """The levels, and empty rows while there is room."""
        return (*self.levels, *[LevelRow()] * self.spare_rows)[:MAX_LEVELS]

    def with_rows(self, more: int) -> "Form":
        """The same form with ``more`` empty rows for levels."""
        return replace(self, spare_rows=self.spare_rows + more)

    def references(self, names: Iterable[str]) -> tuple[str, ...]:
        """Labels that may be the reference, of the datapaths on the page: the copies that are ticked too."""
        wanted = self.values.get("reference", "")
        found = [*names, *(f"{name}#2" for name in self.chosen.get(COPY, ()))]
        return tuple(dict.fromkeys([*found, wanted] if wanted else found))


def blank(data: Mapping[str, Any] | None = None) -> Form:
    """The form as first shown, with the reference campaign's ``data``; default: all of them.

    No field names its levels, because who begins with this form changes them.
    """
    known = fitted(reference_campaign(), {}) if data is None else data
    return shown({**known, "focus_levels": [], "probe_levels": []})


def of_campaign(campaign: Campaign, problems: Iterable[Problem] = ()) -> Form:
    """The form filled with a campaign, to submit it again or change it."""
    return replace(shown(campaign.model_dump(mode="json")), problems=tuple(problems))


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
        levels=tuple(row_of(name, load) for name, load in data.get("levels", {}).items()),
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
        levels=tuple(rows_of(form)),
        parameters={name: value for name, value in form.items() if name.startswith(PARAMETERS)},
        problems=tuple(problems),
    )


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
    data["levels"] = {row.name: row.load for row in rows_of(form)}
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
    names = [row.name for row in rows_of(form)]
    repeated = dict.fromkeys(name for name in names if names.count(name) > 1)
    levels = [Problem(field=f"levels.{name}", message="named twice; name each level once") for name in repeated]
    return levels + expect_field.repeated_names(form.get(expect_field.FIELD, ""))


def _integer(text: str) -> int | str:
    text = text.strip()
    with suppress(ValueError):
        return int(text)
    return text


def _number(text: str) -> float | str:
    text = text.strip()
    with suppress(ValueError):
        if isfinite(number := float(text)):
            return number
    return text


def field_of(problem: Problem) -> str:
    """The field of the form that a problem belongs to."""
    # A list's entries are shown with the list, and so are expectations; each level has its row.
    first, _, rest = problem.field.partition(".")
    return first if not rest or first in (*_LISTS, *_AREAS) else problem.field


def level_of(problem: Problem) -> str | None:
    """The level that a problem is about."""
    parts = problem.field.split(".")
    return parts[1] if parts[0] == "levels" and len(parts) > 1 else None
