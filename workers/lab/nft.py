"""nftables in the DUT: a table for as long as its datapath is attached, and its named counters."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from workers.lab import netns
from workers.lab.lab import Lab

TABLE = "showdown"


class NftError(RuntimeError):
    """nft(8) failed, or a counter is gone."""


def family(lab: Lab) -> str:
    """``ip`` or ``ip6``: the nft family of the lab's traffic, and the keyword for its header."""
    return "ip6" if lab.spec.ip_version == 6 else "ip"


@contextmanager
def table(lab: Lab, body: str, name: str = TABLE) -> Iterator[None]:
    """The table ``<name>`` of :func:`family` with ``body`` between its braces.

    Raises :class:`NftError` and leaves nothing behind.
    """
    change(lab, f"table {family(lab)} {name} {{\n{body}\n}}\n")
    try:
        yield
    finally:
        # Two commands in one transaction: the first creates the table if it is gone, so that the second cannot fail.
        change(lab, f"table {family(lab)} {name}\ndelete table {family(lab)} {name}\n")


def change(lab: Lab, commands: str, timeout_s: float = 10.0) -> None:
    """Run nft(8) commands in one transaction. Raises :class:`NftError`."""
    _nft(lab, "-f", "-", stdin=commands, timeout_s=timeout_s)


def inserted_rule(lab: Lab, rule: str, timeout_s: float = 10.0) -> int:
    """Insert a rule (``<chain> <statement>``) at the start of a chain; returns its handle. Raises :class:`NftError`."""
    place = ("insert", "rule", family(lab), TABLE)
    said = json.loads(_nft(lab, "--json", "--echo", "--handle", *place, *rule.split(), timeout_s=timeout_s))
    return next(int(one["insert"]["rule"]["handle"]) for one in said["nftables"] if "insert" in one)


class Count(NamedTuple):
    """What a named counter has counted."""

    packets: int
    bytes: int


def packets(lab: Lab, *names: str, table: str = TABLE) -> dict[str, int]:
    """The packets of a table's named counters. Raises :class:`NftError` if one is gone."""
    return {name: one.packets for name, one in counts(lab, *names, table=table).items()}


def counts(lab: Lab, *names: str, table: str = TABLE) -> dict[str, Count]:
    """Packets and bytes of a table's named counters. Raises :class:`NftError` if one is gone."""
    # "list counters" reads the rules of every table. With thousands of ballast rules that takes half a second.
    listing = json.loads(_nft(lab, "-j", "list", "table", family(lab), table))
    counters = (item["counter"] for item in listing["nftables"] if "counter" in item)
    found = {one["name"]: Count(one["packets"], one["bytes"]) for one in counters}
    if missing := set(names) - set(found):
        raise NftError(f"the nft counters are gone: {', '.join(sorted(missing))}")
    return found


def elements(lab: Lab, name: str) -> list[str]:
    """The elements of one of the table's sets of addresses. Raises :class:`NftError`."""
    listing = json.loads(_nft(lab, "-j", "list", "set", family(lab), TABLE, name))
    (found,) = (item["set"] for item in listing["nftables"] if "set" in item)
    return [one if isinstance(one, str) else str(one["elem"]["val"]) for one in found.get("elem", ())]


def _nft(lab: Lab, *arguments: str, stdin: str = "", timeout_s: float = 10.0) -> str:
    try:
        return netns.run_in(lab.dut_ns, ["nft", *arguments], stdin=stdin, timeout_s=timeout_s)
    except subprocess.SubprocessError as error:
        raise NftError(f"nft: {netns.complaint(error).strip()}") from error
