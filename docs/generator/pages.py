"""The first page of a datapath or probe, made from its docstring. The author adds to it; it is never rewritten."""

import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import probes.catalog
import workers.datapaths
from domain.values.registry import discover
from probes.base import Probe
from workers.datapaths.base import Datapath

FAMILIES: tuple[tuple[Any, type[Any], str], ...] = (
    (workers.datapaths, Datapath, "docs/datapaths"),
    (probes.catalog, Probe, "docs/probes"),
)


def missing_pages(root: Path) -> Iterator[tuple[Path, str]]:
    """Path and text of each page that is missing below ``root``."""
    for package, contract, place in FAMILIES:
        for name, variant in discover(package, contract).items():
            path = root / place / f"{name}.md"
            if not path.exists():
                yield path, first_page(variant)


def first_page(variant: Any) -> str:
    """What the file of a variant says about it."""
    words = inspect.cleandoc(type(variant).__doc__ or "").replace("``", "`")
    paragraphs = [" ".join(one.split()) for one in words.split("\n\n")]
    text = "\n\n".join(textwrap.fill(one, 120, break_long_words=False) for one in paragraphs)
    return f"# `{variant.name}`\n\n{variant.summary.rstrip('.')}.\n\n{text}\n"
