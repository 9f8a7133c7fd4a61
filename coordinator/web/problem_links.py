"""The summary of a form's problems: each as a sentence that links to its field. Pure."""

import re
from dataclasses import dataclass

from coordinator.web.form import Form, field_of, level_of
from domain.values.problems import Problem
from domain.values.texts import capitalised
from domain.values.toml_lines import line_of

LABELS = {
    "name": "Name",
    "description": "Description",
    "datapaths": "Datapaths",
    "reference": "Reference",
    "primary": "Primary comparisons",
    "workloads": "Workloads",
    "levels": "Load levels",
    "blocks": "Blocks",
    "slices": "Slices",
    "slice_s": "Slice, seconds",
    "open_slice_s": "Slice of open levels, seconds",
    "warm_up_s": "Warm-up, seconds",
    "clients": "Clients",
    "equivalence_margin": "Equivalence margin",
    "margins": "Margins by metric",
    "precision": "Precision",
    "budget": "Budget",
    "focus": "Focus of added blocks",
    "focus_levels": "Levels of the focus",
    "focus_slices": "Slices in the focus",
    "seed": "Seed",
    "expect": "Expectations",
    "leave_out_missing": "Leave out what no host can run",
    "hosts": "Hosts",
    "probes": "Probes",
    "probe_levels": "Levels of the probes",
}
"""The label of each field on the page."""

FOLDS = {
    "datapaths": ("datapaths", "reference", "leave_out_missing"),
    "traffic": ("workloads", "parameters"),
    "levels": ("levels",),
    "hosts": ("hosts",),
    "probes": ("probes", "probe_levels", "flame_graphs"),
    "advanced": ("description", "slices", "slice_s", "open_slice_s", "warm_up_s", "clients", "precision", "focus",
                 "focus_levels", "focus_slices", "equivalence_margin", "seed", "primary", "margins", "expect"),
}  # fmt: skip
"""The parts of the form that are folded, and their fields."""

_FOLDED = {name: fold for fold, names in FOLDS.items() for name in names}
_BOXES = ("datapaths", "workloads", "hosts", "probes")
_OPENS = re.compile(
    r"(at|can|choose|give|has|is|its|lacks|leave|must|named|needs|no|offers|takes|the|there|too|unknown|use|write) "
)
_ENDS = (".", "!", "?", ":", "…")


@dataclass(frozen=True)
class Entry:
    """One line of the summary; ``target`` is the id of the field, or empty, and ``line`` that of a TOML text."""

    text: str
    target: str = ""
    line: int | None = None


def said(message: str) -> str:
    """A message as a sentence. A name at its beginning keeps its spelling."""
    text = capitalised(message) if _OPENS.match(message) else message
    return text if text.endswith(_ENDS) else f"{text}."


def entries(form: Form) -> list[Entry]:
    """The problems of the form in the order of the page."""
    found = [_entry(form, problem) for problem in form.problems]
    order = {label: number for number, label in enumerate(LABELS)}
    return sorted(found, key=lambda entry: order.get(entry.text.partition(":")[0], len(order)))


def toml_entries(text: str, problems: tuple[Problem, ...]) -> list[Entry]:
    """The problems of a TOML text in the order of its lines."""
    found = [Entry(said(str(problem)), "toml", line_of(text, problem)) for problem in problems]
    return sorted(found, key=lambda entry: entry.line or 0)


def open_folds(form: Form) -> frozenset[str]:
    """The folded parts that must be open, because a problem is in them."""
    names = {problem.field.partition(".")[0] for problem in form.problems}
    return frozenset(_FOLDED[name] for name in names if name in _FOLDED)


def _entry(form: Form, problem: Problem) -> Entry:
    if not form.has_place(problem):
        return Entry(said(str(problem)))
    if (level := level_of(problem)) is not None:
        row = next(index for index, row in enumerate(form.levels, start=1) if row.name == level)
        return Entry(f"Level {level or row}: {said(problem.message)}", f"level-{row}-load")
    name = field_of(problem)
    label = LABELS.get(name) or name.removeprefix("parameters.")
    message = next((text for text in form.errors(name) if problem.message in text), problem.message)
    return Entry(f"{label}: {said(message)}", f"{name}-fold" if name in _BOXES or name == "levels" else name)
