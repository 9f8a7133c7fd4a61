"""The fake of the contract: a datapath in memory, for tests that need neither root nor BPF. Not discovered."""

from collections.abc import Iterator
from contextlib import contextmanager

from domain.counters import Counters
from domain.jobs import HostCapabilities
from workers.datapaths.base import Datapath, DatapathError
from workers.lab.lab import Lab


class FakeAttachment:
    """Counts what its test says crossed it, until it is broken."""

    def __init__(self) -> None:
        self.seen = Counters(packets=0, bytes=0, connections=0)
        self.broken = ""

    def cross(self, *, packets: int = 0, payload_bytes: int = 0, connections: int = 0, leaked_packets: int = 0) -> None:
        """Traffic, as the test makes it."""
        self.seen = self.seen.plus(
            Counters(packets=packets, bytes=payload_bytes, connections=connections, leaked_packets=leaked_packets)
        )

    def counters(self) -> Counters:
        """See the contract."""
        if self.broken:
            raise DatapathError(self.broken)
        return self.seen


class FakeDatapath(Datapath):
    """In force while its context lasts. ``refuse`` makes the attachment fail; ``attachments`` are those in force."""

    name = "fake"
    function = "forward"
    summary = "A datapath in memory."

    def __init__(self, *, name: str = "fake", refuse: str = "") -> None:
        self.name = name  # type: ignore[misc]  # tests put several side by side
        self.refuse = refuse
        self.attachments: dict[str, FakeAttachment] = {}

    def missing(self, capabilities: HostCapabilities) -> list[str]:
        """See the contract."""
        return capabilities.lacking("root")

    @contextmanager
    def attached(self, lab: Lab) -> Iterator[FakeAttachment]:
        """See the contract."""
        if self.refuse:
            raise DatapathError(self.refuse)
        attachment = self.attachments[lab.label] = FakeAttachment()
        try:
            yield attachment
        finally:
            del self.attachments[lab.label]
