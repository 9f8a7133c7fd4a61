"""Finding variants: one file per variant, discovered, never listed."""

import importlib
import pkgutil
from types import ModuleType
from typing import TypeVar

T = TypeVar("T")


def discover(package: ModuleType, contract: type[T]) -> dict[str, T]:
    """Instantiate every variant of ``contract`` in ``package``, by name, sorted.

    A variant is a concrete subclass defined in a module of the package; its ``name`` must be the module's
    name, so that the file, the C source, the metric tag and the test all carry one word. ``base``, names with a
    leading underscore and sub-packages are the family's own and hold no variant.
    The package's ``__path__`` may have more than one directory: whoever appends one adds the variants in it.
    Raises ``LookupError`` when a module breaks that rule or defines no variant.
    """
    variants: dict[str, T] = {}
    for info in pkgutil.iter_modules(package.__path__):
        if info.name == "base" or info.name.startswith("_") or info.ispkg:
            continue
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        found = [
            value
            for value in vars(module).values()
            if isinstance(value, type)
            and issubclass(value, contract)
            and value.__module__ == module.__name__
            and not getattr(value, "__abstractmethods__", None)
        ]
        if len(found) != 1:
            raise LookupError(f"{module.__name__} must define one {contract.__name__}, found {len(found)}")
        variant = found[0]()
        if getattr(variant, "name", None) != info.name:
            raise LookupError(f"{module.__name__}: its {contract.__name__}'s name must be {info.name!r}")
        variants[info.name] = variant
    return dict(sorted(variants.items()))
