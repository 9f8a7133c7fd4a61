"""What datapaths share that filter: their list, its figures, and how they count.

A list is loaded when its datapath is attached. One entry more can be added and removed under load. What is blocked is
counted apart from what is dropped for other reasons.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from domain.trials.counters import Counters
from domain.trials.figures import TrialFigure
from workers.datapaths.base import raised_by
from workers.lab import blocklist, dut, loading
from workers.lab.lab import Lab


class Crossed(NamedTuple):
    """Packets of the client since a filter was attached."""

    passed: int
    blocked: int


class BlockList(Protocol):
    """The list of a filter in the kernel."""

    def prepared(self) -> Callable[[], None]:
        """What puts every entry of the lab's blocklist into it. It raises one of ``workers.datapaths.base.ERRORS``."""

    def change(self, address: str, *, listed: bool) -> None:
        """Add or remove one entry, without touching the others. Raises one of ``ERRORS``."""


class Filtering:
    """An attached filter; ``Figured`` and ``Changing`` of workers.datapaths.base."""

    def __init__(
        self,
        name: str,
        lab: Lab,
        entries: BlockList,
        load: loading.Load,
        crossed: Callable[[], Crossed],
        path: dut.ClosedPath | None = None,
    ) -> None:
        self._name, self._entries, self._crossed, self._path = name, entries, crossed, path
        self._one_more = blocklist.one_more(lab.spec)
        self._load = load

    def counters(self) -> Counters:
        """The client's packets that passed; it knows neither connections nor payload."""
        with raised_by(self._name):
            crossed = self._crossed()
            leaked = self._path.leaked_packets() if self._path else 0
        offered = crossed.passed + crossed.blocked
        return Counters(
            packets=crossed.passed, offered_packets=offered, denied_packets=crossed.blocked, leaked_packets=leaked
        )

    def figures(self) -> tuple[TrialFigure, ...]:
        """Of the list as it was loaded."""
        memory_mib = self._load.memory_bytes / 2**20
        return (
            TrialFigure(name="list_load_ms", title="load of the list", unit="ms", value=self._load.seconds * 1e3),
            TrialFigure(name="list_memory_mib", title="memory of the list", unit="MiB", value=memory_mib),
        )

    @property
    def change_title(self) -> str:
        """See the contract."""
        return "change of one entry"

    def change(self) -> int:
        """Add one entry to the list and remove it again: two changes. Raises ``DatapathError``."""
        with raised_by(self._name):
            self._entries.change(self._one_more, listed=True)
            self._entries.change(self._one_more, listed=False)
        return 2


def filtering(
    name: str,
    lab: Lab,
    entries: BlockList,
    crossed: Callable[[], Crossed],
    path: dut.ClosedPath | None = None,
) -> Filtering:
    """Load the list, and remember what that took."""
    put = entries.prepared()
    with loading.measured() as load:
        put()
    return Filtering(name, lab, entries, load, crossed, path)
