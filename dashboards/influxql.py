"""InfluxQL statements, as a person would write them. InfluxDB 1.x, 2.x and 3 Core all answer InfluxQL.

Percentiles are selected as they were written, and never averaged; buckets, counts and losses are summed.
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


def chosen(tag: str, variable: str = "") -> str:
    """A condition: the tag has one of the values of a variable, which is called like the tag unless it is named."""
    return f'"{tag}" =~ /^${variable or tag}$/'


def select(fields: str, measurement: str, where: Iterable[str], group_by: Sequence[str] = (), *, limit: int = 0) -> str:
    """Points as they were written; with ``limit`` the newest ones."""
    statement = f'SELECT {fields} FROM "{measurement}" WHERE {_all(where)}'  # noqa: S608
    if group_by:
        statement += f" GROUP BY {', '.join(map(field, group_by))}"
    return statement + (f" ORDER BY time DESC LIMIT {limit}" if limit else "")


def over_time(aggregates: str, measurement: str, where: Iterable[str], group_by: Sequence[str] = ()) -> str:
    """Points gathered over the panel's interval; nothing where there are none."""
    groups = ", ".join([INTERVAL, *map(field, group_by)])
    return f'SELECT {aggregates} FROM "{measurement}" WHERE {_all(where)} GROUP BY {groups} fill(none)'  # noqa: S608


def tag_values(measurement: str, tag: str, where: Sequence[str] = ()) -> str:
    """The values that a tag has."""
    condition = f" WHERE {' AND '.join(where)}" if where else ""
    return f'SHOW TAG VALUES FROM "{measurement}" WITH KEY = "{tag}"{condition}'


def field_names(measurement: str) -> str:
    """The fields that a measurement has."""
    return f'SHOW FIELD KEYS FROM "{measurement}"'


def _all(where: Iterable[str]) -> str:
    return " AND ".join([*where, TIME])
