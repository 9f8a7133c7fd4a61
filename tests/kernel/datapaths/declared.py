"""The faults, facts and traits that each datapath's own test file declares."""

import importlib
import importlib.util
from collections.abc import Iterable, Mapping
from typing import Any

from tests.kernel.datapaths.faults import PROXY_KILLED, Break, Case, Facts, Fault, Faults, Traits
from tests.variants import DATAPATHS, RUNNABLE


def module_of(name: str) -> str:
    """The module of a datapath's own tests."""
    return f"tests.kernel.datapaths.test_datapath_{name}"


def _declared(name: str, what: str, default: Any) -> Any:
    if importlib.util.find_spec(module_of(name)) is None:
        return default  # a contract test reports it
    return getattr(importlib.import_module(module_of(name)), what, default)


FAULTS: Mapping[str, Faults] = {name: _declared(name, "FAULTS", {}) for name in DATAPATHS}
FACTS: Mapping[str, Facts] = {name: _declared(name, "FACTS", Facts()) for name in DATAPATHS}
TRAITS: Mapping[str, Traits] = {name: _declared(name, "TRAITS", {}) for name in DATAPATHS}


def of_case(case: Case) -> dict[str, Fault]:
    """The fault of each datapath that declares the case, and that this kernel can run."""
    return {name: faults[case] for name, faults in FAULTS.items() if case in faults and name in RUNNABLE}


def broken_by(case: Case, breaks: Break) -> set[str]:
    """The datapaths that a case breaks in this way."""
    return {name for name, fault in of_case(case).items() if fault.breaks is breaks}


def proxied() -> set[str]:
    """The datapaths with a proxy."""
    return set(of_case(PROXY_KILLED))


def of_function(function: str, names: Iterable[str] = DATAPATHS) -> list[str]:
    """Those of the datapaths that have the function, sorted."""
    return sorted(name for name in names if DATAPATHS[name].function == function)
