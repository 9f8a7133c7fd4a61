"""Every trait that is discovered meets its contract."""

import inspect
import re
from pathlib import Path

import pytest

import workers.datapaths
import workers.traits
from domain.values.registry import discover
from workers.datapaths.base import Datapath
from workers.traits.base import Trait

TRAITS: dict[str, Trait] = discover(workers.traits, Trait)
EVERY = pytest.mark.parametrize("trait", TRAITS.values(), ids=lambda t: t.name)
DIRECTORY = Path(workers.traits.__file__).parent


def test_the_promises_of_the_catalogue_are_among_them() -> None:
    assert {
        "client_address", "original_destination", "udp", "ipv6", "half_close", "large_bodies", "proxy_restart",
        "fails_closed", "connection_state", "l7_visible",
    } <= set(TRAITS)  # fmt: skip


@EVERY
def test_it_says_what_it_is(trait: Trait) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]{0,31}", trait.name)
    assert 2 < len(trait.title) <= 40
    assert trait.summary.endswith(".")
    assert len(trait.summary) <= 400


@EVERY
def test_it_has_no_more_than_the_contract(trait: Trait) -> None:
    methods = {name for name, _ in inspect.getmembers(type(trait), inspect.isfunction) if not name.startswith("_")}
    assert methods == {"check"}


@pytest.mark.parametrize("file", [*DIRECTORY.glob("*.py")], ids=lambda f: f.name)
def test_it_knows_no_datapath(file: Path) -> None:
    # A new datapath is tested as those that are there: nothing in the tests may be about one of them.
    source = file.read_text()
    names = set(discover(workers.datapaths, Datapath)) - {"tproxy"}  # which is a statement of nftables, too
    assert not [name for name in names if f'"{name}"' in source]
    assert not re.search(r"from workers\.datapaths\.(?!base )", source)
