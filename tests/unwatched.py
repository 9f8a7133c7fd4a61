"""A probe session without probes, for blocks that nothing watches."""

from collections.abc import Callable, Sequence

from domain.probes.sample import TrialTags
from domain.probes.watched import Span, Watched
from probes.base import LabView


class NoProbes:
    """Measures nothing."""

    def begin_slice(self, lab: LabView, tags: TrialTags, warm_up_s: float = 0.0) -> None:
        """See ProbeSession."""

    def end_slice(
        self, traffic: Sequence[Span] = (), share: float = 1.0, sent: Callable[[Sequence[Span]], float] | None = None
    ) -> Watched:
        """See ProbeSession."""
        return Watched()
