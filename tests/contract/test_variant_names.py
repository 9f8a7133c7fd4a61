"""Only a datapath's own module names it, and one that adds something to it: a new one edits no file of the product."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import workers.datapaths
from tests.variants import DATAPATHS

ROOT = Path(workers.datapaths.__file__).parents[2]
ROOMS = ("bpf", "coordinator", "deploy", "domain", "probes", "workers")
MAY_NAME: dict[str, str] = {
    "domain/values/names.py": "results that were stored before trials had roles name their limit",
    "workers/traits/_parts.py": "nftables has a statement called tproxy",
}
"""Files that name a datapath, each with its reason."""


def product_files() -> Iterator[Path]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if "/migrations/" not in name and name not in MAY_NAME:
                yield path


def strings_in(tree: ast.AST) -> set[str]:
    """Every string constant, whole: prose that contains a name is no use of it."""
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def imports_in(tree: ast.AST) -> set[str]:
    """The modules that are imported, and with ``from X import Y`` also X.Y."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_no_file_of_the_product_names_a_datapath() -> None:
    modules = {f"workers.datapaths.{name}" for name in DATAPATHS}
    named: dict[str, set[str]] = {}
    for path in product_files():
        tree = ast.parse(path.read_text())
        here = (strings_in(tree) & set(DATAPATHS)) | (imports_in(tree) & modules)
        if path.parent == ROOT / "workers" / "datapaths":
            here -= {path.stem, DATAPATHS[path.stem].over if path.stem in DATAPATHS else ""}
        if here:
            named[path.relative_to(ROOT).as_posix()] = here
    assert named == {}


@pytest.mark.parametrize("name", MAY_NAME)
def test_an_exception_is_still_one(name: str) -> None:
    assert strings_in(ast.parse((ROOT / name).read_text())) & set(DATAPATHS)


def test_what_datapaths_share_imports_no_datapath() -> None:
    allowed = {"workers.datapaths", "workers.datapaths.base"}
    library = ROOT / "workers" / "datapaths" / "lib"
    for path in sorted(library.rglob("*.py")):
        ours = {one for one in imports_in(ast.parse(path.read_text())) if one.startswith("workers.datapaths")}
        climbing = {
            one for one in ours - allowed
            if not one.startswith(("workers.datapaths.lib", "workers.datapaths.base."))
        }  # fmt: skip
        assert climbing == set(), path.name
