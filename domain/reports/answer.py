"""A campaign's answer on one screen: at most three sentences, one table, and the scope in which they hold.

The command line, the page and REST show this object, so all three say the same words.
"""

from enum import StrEnum

from pydantic import Field

from domain.values.frozen import Frozen
from domain.values.names import Name

MOST_SENTENCES = 3
MARK = "*"  # behind a figure with a note
MOST_COLUMNS = 9  # of the table; with 16 characters of names they fit into 100 columns of text


class Topic(StrEnum):
    """What a sentence is about."""

    COMPARED = "like for like"
    PRICE = "price"
    CARRIED = "carried"


class Statement(Frozen):
    """One sentence. Its numbers are figures of the report, as text."""

    topic: Topic
    sentence: str


class Scope(Frozen):
    """Where and when everything in a report was measured: it holds for nothing else."""

    hosts: tuple[str, ...] = ()
    boots: int | None = Field(default=None, description="Different boots of the hosts; null if a worker reports none.")
    cpus: int | None = Field(default=None, description="Of a host, if all hosts have as many.")
    shared_cpus: bool = Field(default=True, description="Generator, datapaths and origins use the same CPUs.")
    kernel: str = ""
    virtual: bool | None = Field(default=None, description="Whether a hypervisor was seen.")
    began_at: str | None = None
    ended_at: str | None = None
    text: str = Field(description="The scope in words, as every list of verdicts shows it.")


class Column(Frozen):
    """One figure at one level."""

    level: Name
    load: str = Field(description="The level in short: 12,900/s, p99<=5ms, 64 connections.")
    figure: str = Field(description="What the column has: requests/s, CPU µs, p50 µs.")


class Entry(Frozen):
    """One figure of the table; without a value, the text is a reason or a dash."""

    value: float | None = None
    text: str
    noted: bool = Field(default=False, description="It is from fewer blocks than a verdict needs, or has a caveat.")


class Row(Frozen):
    """A datapath, or a price: one datapath over another."""

    name: str
    workload: Name
    is_price: bool = False
    entries: tuple[Entry, ...] = Field(description="One for each column.")


class Answer(Frozen):
    """The answer to the campaign's question."""

    statements: tuple[Statement, ...] = Field(default=(), max_length=MOST_SENTENCES)
    missing: str = Field(default="", description="Why there is no sentence.")
    further: str = Field(default="", description="What is judged and not among the sentences.")
    columns: tuple[Column, ...] = ()
    rows: tuple[Row, ...] = ()
    note: str = Field(default="", description="What a marked figure means.")
    scope: Scope
