"""Whether the coordinator's clock can be trusted to judge silence: it may be set, and the machine may be suspended."""

import math
from dataclasses import dataclass

STEP_S = 2.0  # clocks that are only adjusted differ by far less in a round
GAP_S = 20.0  # the whole machine may have been paused, and nobody could report meanwhile


@dataclass
class ClockSteps:
    """Compares the wall clock, in which times are stored, with the monotonic clock, round by round."""

    _wall_s: float = math.nan
    _monotonic_s: float = math.nan
    _steady_since_s: float = math.nan

    def steady_s(self, wall_s: float, monotonic_s: float) -> float:
        """For how long the wall clock has been steady: since the first call, the last step, or the last long gap."""
        gap_s = monotonic_s - self._monotonic_s
        stepped = abs(wall_s - self._wall_s - gap_s) > STEP_S
        if math.isnan(gap_s) or stepped or gap_s > GAP_S:
            self._steady_since_s = monotonic_s
        self._wall_s, self._monotonic_s = wall_s, monotonic_s
        return monotonic_s - self._steady_since_s
