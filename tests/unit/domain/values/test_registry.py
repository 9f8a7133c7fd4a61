"""discover(): one file per variant, and a clear error if a file breaks the rule."""

import importlib
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from domain.values.registry import discover


class Contract(ABC):
    name: str

    @abstractmethod
    def work(self) -> str: ...


GOOD = """
from tests.unit.domain.values.test_registry import Contract
class Variant(Contract):
    name = "{name}"
    def work(self): return "{name} works"
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ModuleType]]:
    def make(**files: str) -> ModuleType:
        directory = tmp_path / "variants_for_test"
        directory.mkdir()
        (directory / "__init__.py").write_text("")
        for name, text in files.items():
            (directory / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        return importlib.import_module("variants_for_test")

    yield make
    for name in [n for n in sys.modules if n.startswith("variants_for_test")]:
        del sys.modules[name]


def test_every_file_is_found_sorted_by_name(package) -> None:
    found = discover(package(zebra=GOOD.format(name="zebra"), ant=GOOD.format(name="ant")), Contract)
    assert list(found) == ["ant", "zebra"]
    assert found["ant"].work() == "ant works"


def test_base_private_and_imported_ones_are_not_variants(package) -> None:
    imported = "from variants_for_test.ant import Variant as Other\n"
    abstract = GOOD.format(name="bee") + "class Half(Contract):\n    pass\n"
    files = {"base": "raise RuntimeError", "_private": "raise RuntimeError", "ant": GOOD.format(name="ant")}
    found = discover(package(**files, bee=imported + abstract), Contract)
    assert list(found) == ["ant", "bee"]


def test_a_directory_that_is_appended_to_the_package_adds_its_variants(package, tmp_path: Path) -> None:
    found = package(ant=GOOD.format(name="ant"))
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "bee.py").write_text(GOOD.format(name="bee"))
    found.__path__.append(str(tmp_path / "more"))
    assert list(discover(found, Contract)) == ["ant", "bee"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must define one Contract, found 0"),
        (GOOD.format(name="ant") + GOOD.format(name="ant").replace("Variant", "Second"), "found 2"),
        (GOOD.format(name="bee"), "must be 'ant'"),
        (GOOD.format(name="ant").replace('name = "ant"', "pass"), "must be 'ant'"),
    ],
)
def test_a_file_that_breaks_the_rule_is_named(package, text: str, message: str) -> None:
    with pytest.raises(LookupError, match=message):
        discover(package(ant=text), Contract)
