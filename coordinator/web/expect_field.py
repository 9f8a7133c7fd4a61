"""The form's field for expectations: one per line, ``name = expression`` or only the expression. Pure.

The grammar and its messages are the domain's; this module only finds the names.
"""

import re
from collections.abc import Mapping

from domain.campaigns.expectation import UNNAMED
from domain.values.problems import Problem

FIELD = "expect"
_NAMED = re.compile(r"\s*(\w+)\s*=(?!=)\s*(.*)", re.ASCII)  # "a <= 5" and "a == 5" have no name


def expectations_of(text: str) -> dict[str, str]:
    """The lines as the mapping that a TOML file would have given; a name that is given twice has its last line."""
    found = {}
    for number, line in enumerate(_lines(text), start=1):
        named = _NAMED.fullmatch(line)
        name, expression = named.groups() if named else (f"{UNNAMED}{number}", line)
        found[name] = expression.strip()
    return found


def text_of(expectations: Mapping[str, str]) -> str:
    """A campaign's expectations as lines."""
    return "\n".join(f"{name} = {expression}" for name, expression in expectations.items())


def repeated_names(text: str) -> list[Problem]:
    """A mapping cannot hold a name twice, so this one problem is found here."""
    names = [named[1] for line in _lines(text) if (named := _NAMED.fullmatch(line))]
    repeated = dict.fromkeys(name for name in names if names.count(name) > 1)
    return [Problem(field=f"{FIELD}.{name}", message="named twice; name each expectation once") for name in repeated]


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
