"""``make faults``: the long forms of all fault tests. The last line is one JSON object.

Kills at every call that changes a disk, and slow clients for five minutes. Then faults of a running service: parts that
are killed or paused, wrong clocks, a full disk, a worker that is cut off or sleeps, and parts of other versions.
"""

import json
import logging
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults import crash_points, service, slow_clients
from tests.orderly import ends_in_order

POINTS, ROUNDS, SLOW_S = 6_000, 2, 300.0
SERVICE_S = 18 * 60.0  # the first round should take as long on a quiet host; all parts together at most 30


def _crash_points() -> tuple[dict[str, object], bool]:
    found = crash_points.measured(POINTS)
    return found, not found["violations"]


def _service() -> tuple[dict[str, object], bool]:
    found = service.suffered(ROUNDS, random.SystemRandom().randrange(1 << 32), limit_s=SERVICE_S)
    return found, not found["violations"]


def _slow_clients() -> tuple[dict[str, object], bool]:
    with tempfile.TemporaryDirectory(prefix="showdown-slow-", ignore_cleanup_errors=True) as directory:
        found = slow_clients.judged(Path(directory), SLOW_S)
    return found, bool(found["ok"])


PARTS: dict[str, Callable[[], tuple[dict[str, object], bool]]] = {
    "crash_points": _crash_points,
    "service": _service,
    "slow_clients": _slow_clients,
}


def main() -> int:
    """Run every part, even if one fails; returns 0 if all passed."""
    logging.disable(logging.CRITICAL)
    begun_s, found, failed = time.monotonic(), {}, []
    for name, part in PARTS.items():
        print(f"== {name} ==", flush=True)
        found[name], passed = part()
        failed += [] if passed else [name]
        print(json.dumps(found[name]), flush=True)
    seconds = round(time.monotonic() - begun_s)
    print(json.dumps({**found, "failed": failed, "seconds": seconds}))
    return int(bool(failed))


if __name__ == "__main__":
    ends_in_order()
    sys.exit(main())
