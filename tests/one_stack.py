"""How files are shared among the processes of a run: a file is one unit, but those that use the shared stack are one.

Each process that runs one of them starts a separate stack, which takes 12 s of CPU time and goes on using some.
"""

from typing import Any

from xdist.scheduler import LoadFileScheduling

STACK = "the shared stack"
ON_THE_STACK = frozenset(
    f"tests/e2e/test_{name}.py" for name in ("browser", "campaign", "matrix", "messages", "other_workers", "stack")
)  # fmt: skip


def unit_of(nodeid: str) -> str:
    """The unit to which a test belongs."""
    file = nodeid.partition("::")[0]
    return STACK if file in ON_THE_STACK else file


class OneStack(LoadFileScheduling):  # type: ignore[misc, unused-ignore]
    """xdist's ``--dist loadfile``, with one unit for :data:`ON_THE_STACK`."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


def scheduler(config: Any, log: Any) -> OneStack | None:
    """The scheduler of ``--dist loadfile``; ``None`` leaves the choice to xdist."""
    return OneStack(config, log) if config.getoption("dist") == "loadfile" else None
