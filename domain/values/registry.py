"""Discovery of variants: one file per variant, no list."""

import importlib
import pkgutil
from types import ModuleType
from typing import TypeVar

T = TypeVar("T")


def variant_names(package: ModuleType) -> tuple[str, ...]:
    """The names of a family's variants, from the names of its files alone; nothing is imported."""
    found = pkgutil.iter_modules(package.__path__)
    return tuple(sorted(one.name for one in found if one.name != "base" and one.name[0] != "_" and not one.ispkg))


def variant_class(package: ModuleType, name: str) -> type | None:
    """The class of one variant, by its name; no other variant is imported. ``None`` if its module has none."""
    module = importlib.import_module(f"{package.__name__}.{name}")
    own = (value for value in vars(module).values() if isinstance(value, type) and value.__module__ == module.__name__)
    return next((value for value in own if vars(value).get("name") == name), None)


def discover(package: ModuleType, contract: type[T]) -> dict[str, T]:
    """Instantiate every variant of ``contract`` in ``package``, by name, sorted.

    A variant is a concrete subclass defined in a module of the package. Its ``name`` must be the module's name, so that
    the file, the C source, the metric tag and the test share one name. ``base``, names with a leading underscore and
    sub-packages belong to the family and define no variant.
    Every directory in the package's ``__path__`` is searched; appending a directory adds its variants.
    Raises ``LookupError`` when a module breaks that rule or defines no variant.
    """
    variants: dict[str, T] = {}
    for name in variant_names(package):
        module = importlib.import_module(f"{package.__name__}.{name}")
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
        if getattr(variant, "name", None) != name:
            raise LookupError(f"{module.__name__}: the name of its {contract.__name__} must be {name!r}")
        variants[name] = variant
    return dict(sorted(variants.items()))
