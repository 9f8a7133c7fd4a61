"""nftables in the DUT: a table for as long as its datapath is attached, and its named counters."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

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


def change(lab: Lab, commands: str) -> None:
    """Run nft(8) commands in one transaction. Raises :class:`NftError`."""
    _nft(lab, "-f", "-", stdin=commands)


def packets(lab: Lab, *names: str, table: str = TABLE) -> dict[str, int]:
    """The packets of a table's named counters. Raises :class:`NftError` if one is gone."""
    # "list counters" reads the rules of every table. With thousands of ballast rules that takes half a second.
    listing = json.loads(_nft(lab, "-j", "list", "table", family(lab), table))
    found = {item["counter"]["name"]: item["counter"]["packets"] for item in listing["nftables"] if "counter" in item}
    if missing := set(names) - set(found):
        raise NftError(f"the nft counters are gone: {', '.join(sorted(missing))}")
    return found


def _nft(lab: Lab, *arguments: str, stdin: str = "") -> str:
    try:
        return netns.run_in(lab.dut_ns, ["nft", *arguments], stdin=stdin)
    except subprocess.SubprocessError as error:
        detail = getattr(error, "stderr", None) or str(error)
        raise NftError(f"nft: {detail.strip()}") from error
