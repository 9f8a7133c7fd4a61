"""The figures of a balancer's evenness over all connections of a trial, each beside that of a random choice. Pure."""

from domain.trials.evenness import jain, largest, random_jain, random_largest
from domain.trials.figures import TrialFigure
from domain.trials.trial import Reason
from workers.runner.evidence import Evidence


def evenness_figures(evidence: Evidence) -> tuple[TrialFigure, ...]:
    """Those of the connections that the datapath counted for each origin, warm-up and watched slices included.

    None if the datapath does not balance, or if an origin was or should have been dead for a part of the traffic.
    """
    given = list((evidence.counters.origins or {}).values())
    evenness, most = jain(given), largest(given)
    had_event = evidence.dead_origins or any(one.reason is Reason.EVENT_MISSING for one in evidence.findings)
    if had_event or evenness is None or most is None:
        return ()
    opened, origins = sum(given), len(given)
    by_chance = random_jain(opened, origins), random_largest(opened, origins)
    return (
        TrialFigure(name="balanced", title="connections balanced", value=float(opened)),
        TrialFigure(name="even_jain", title="evenness over origins (Jain)", most=1.0, value=evenness),
        TrialFigure(name="even_jain_random", title="evenness of a random choice", most=1.0, value=by_chance[0]),
        TrialFigure(name="largest_share", title="largest origin ÷ mean", value=most),
        TrialFigure(name="largest_share_random", title="largest ÷ mean of a random choice", value=by_chance[1]),
    )
