"""A process that dies at every step of what it keeps on disk; its successor must find everything that was acknowledged.

``python -m tests.faults.crash_points [POINTS]`` prints one JSON object: points tried, and what went wrong, by part.
"""

import json
import logging
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.disk import Crash, Disk
from tests.faults.lives import Life
from tests.faults.lives_of_reports import ClaimLife, OutboxLife
from tests.faults.lives_of_telemetry import TelemetryLife
from tests.faults.lives_of_the_register import RegisterLife
from tests.orderly import ends_in_order

PARTS: dict[str, type[Life]] = {
    "outbox": OutboxLife,
    "claims": ClaimLife,
    "telemetry": TelemetryLife,
    "register": RegisterLife,
}
SHORT, LONG = 200, 4_000
_CRASHES = 3  # in a row: a successor may die, too


def tried(part: str, points: int) -> tuple[int, list[str]]:
    """Die at this many points, spread over several seeds; returns how many there were, and each violation."""
    done, seed, failures = 0, 0, []
    while done < points:
        steps = _steps_of(part, seed)
        for crash_at in range(1, steps + 1):
            for power in {False, PARTS[part].survives_power_failures}:
                failures += _die(part, seed, crash_at, power=power)
                done += 1
        seed += 1
    return done, failures


def _steps_of(part: str, seed: int) -> int:
    """The number of points in a life without a crash."""
    with _directory() as root:
        disk = Disk(root, seed)
        life = PARTS[part](root, random.Random(seed))
        with disk.attached():
            life.live(disk)
        life.check(power=False)
        return disk.calls


def _die(part: str, seed: int, crash_at: int, *, power: bool) -> list[str]:
    with _directory() as root:
        life = PARTS[part](root, random.Random(seed))
        try:
            for crash in range(_CRASHES):
                disk = Disk(root, seed, crash_at=_crash_at(seed, crash_at, crash))
                try:
                    with disk.attached():
                        life.live(disk) if crash == 0 else life.recover(disk)
                except Crash:
                    life.died()
                if power and disk.dead:
                    disk.lose_power()
            life.check(power=power)
        except Exception as error:  # a violation, or a successor that does not start
            kind = "power failure" if power else "kill"
            return [f"{part}, seed {seed}, {kind} at call {crash_at}: {type(error).__name__}: {error}"]
    return []


def _crash_at(seed: int, crash_at: int, crash: int) -> int:
    """The point at which this process dies; a successor often dies early, and sometimes not at all."""
    if crash == 0:
        return crash_at
    return random.Random(f"{seed} {crash_at} {crash}").randint(1, 12)


@contextmanager
def _directory() -> Iterator[Path]:
    # On a disk in memory, if there is one: nothing here depends on a real fsync.
    shm = Path("/dev/shm")
    path = Path(tempfile.mkdtemp(prefix="showdown-crash-", dir=shm if shm.is_dir() else None))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def measured(points: int) -> dict[str, object]:
    """Try so many points, spread over the parts; what went wrong goes to standard error."""
    begun_s, found, violations = time.monotonic(), {}, []
    for part in PARTS:
        found[part], failures = tried(part, points // len(PARTS))
        violations += failures
    for failure in violations[:20]:
        print(failure, file=sys.stderr)
    seconds = round(time.monotonic() - begun_s, 1)
    return {"crash_points": found, "violations": len(violations), "seconds": seconds}


def main(points: int = LONG) -> int:
    """Try every part; returns 0 if nothing was lost or doubled, and every successor started."""
    logging.disable(logging.CRITICAL)
    found = measured(points)
    print(json.dumps(found))
    return int(bool(found["violations"]))


if __name__ == "__main__":
    ends_in_order()
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else LONG))
