"""The limits of steal and foreign CPU time are one table."""

import re
from pathlib import Path

from domain.hosts import noise_limits

ROOT = Path(__file__).resolve().parents[4]
LIMIT = re.compile(r"^(MAX_\w*(?:STEAL|FOREIGN)\w*)\s*[:=,]", re.MULTILINE)


def test_no_other_module_defines_such_a_limit() -> None:
    rooms = ("domain", "coordinator", "workers", "probes", "deploy")
    defining = {
        str(path.relative_to(ROOT))
        for room in rooms
        for path in (ROOT / room).rglob("*.py")
        if LIMIT.search(path.read_text())
    }
    assert defining == {"domain/hosts/noise_limits.py"}


def test_a_slice_may_have_more_noise_than_a_whole_trial() -> None:
    assert noise_limits.MAX_STEAL_SHARE < noise_limits.MAX_SLICE_STEAL_SHARE
    assert noise_limits.MAX_FOREIGN_SHARE < noise_limits.MAX_SLICE_FOREIGN_SHARE
    assert noise_limits.MAX_FOREIGN_IDLE_SHARE <= noise_limits.MAX_FOREIGN_SHARE
