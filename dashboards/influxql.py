"""InfluxQL statements in readable form. InfluxDB 1.x, 2.x and 3 Core all answer InfluxQL.

Percentiles are selected as written, never averaged; buckets, counts and losses are summed.
"""

from collections.abc import Iterable, Sequence

TIME = "$timeFilter"
INTERVAL = "time($__interval)"


def field(name: str) -> str:
    """A field or tag by its name."""
    return f'"{name}"'


def matching(pattern: str) -> str:
    """Every field whose name matches a regular expression."""
    return f"/{pattern}/"


def matches_variable(tag: str, variable: str = "") -> str:
    """A condition: the tag has a value of the variable, which has the tag's name unless another is given."""
    return f'"{tag}" =~ /^${variable or tag}$/'


def select(fields: str, measurement: str, where: Iterable[str], group_by: Sequence[str] = (), *, limit: int = 0) -> str:
    """Points as written; with ``limit``, the newest ones."""
    statement = f'SELECT {fields} FROM "{measurement}" WHERE {_all(where)}'  # noqa: S608
    if group_by:
        statement += f" GROUP BY {', '.join(map(field, group_by))}"
    return statement + (f" ORDER BY time DESC LIMIT {limit}" if limit else "")


def over_time(aggregates: str, measurement: str, where: Iterable[str], group_by: Sequence[str] = ()) -> str:
    """Points grouped by the panel's interval; empty intervals have no points."""
    groups = ", ".join([INTERVAL, *map(field, group_by)])
    return f'SELECT {aggregates} FROM "{measurement}" WHERE {_all(where)} GROUP BY {groups} fill(none)'  # noqa: S608


def tag_values(measurement: str, tag: str, where: Sequence[str] = ()) -> str:
    """The values of a tag."""
    condition = f" WHERE {' AND '.join(where)}" if where else ""
    return f'SHOW TAG VALUES FROM "{measurement}" WITH KEY = "{tag}"{condition}'


def values_of_tags(measurement: str, tags: Sequence[str]) -> str:
    """The values of several tags: those of the first one in alphabetical order come first."""
    return f'SHOW TAG VALUES FROM "{measurement}" WITH KEY IN ({", ".join(map(field, tags))})'


def field_names(measurement: str) -> str:
    """The fields of a measurement."""
    return f'SHOW FIELD KEYS FROM "{measurement}"'


def _all(where: Iterable[str]) -> str:
    return " AND ".join([*where, TIME])
