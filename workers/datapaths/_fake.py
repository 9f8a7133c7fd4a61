"""The fake of the contract: a datapath in memory, for tests that need neither root nor BPF. Not discovered."""

from contextlib import ExitStack

from domain.trials.counters import Counters
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
        """What crossed so far; raises what ``broken`` says."""
        if self.broken:
            raise DatapathError(self.broken)
        return self.seen


class FakeDatapath(Datapath):
    """``refuse`` makes the attachment fail; ``attachments`` are the current ones, by the lab's label."""

    name = "fake"
    function = "forward"
    summary = "A datapath in memory."
    requires = ()

    def __init__(self, *, name: str = "fake", refuse: str = "") -> None:
        self.name = name  # type: ignore[misc]  # tests use several side by side
        self.refuse = refuse
        self.attachments: dict[str, FakeAttachment] = {}

    def attach(self, lab: Lab, stack: ExitStack) -> FakeAttachment:
        if self.refuse:
            raise DatapathError(self.refuse)
        attachment = self.attachments[lab.label] = FakeAttachment()
        stack.callback(self.attachments.pop, lab.label)
        return attachment
