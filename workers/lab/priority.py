"""Whether a program of the lab may have real-time priority, which the generator asks for in open loops."""

import os
from concurrent.futures import ThreadPoolExecutor


def real_time_priority() -> str:
    """The priority that this host grants, in words."""
    # Linux sets the policy of one thread. It ends with the executor.
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(_asked).result()


def _asked() -> str:
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(os.sched_get_priority_min(os.SCHED_RR)))
    except OSError as error:
        return f"the usual one: SCHED_RR is refused ({error.strerror})"
    return "real-time (SCHED_RR)"
