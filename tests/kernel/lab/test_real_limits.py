"""A real CPU limit of a real group, as ``docker --cpus`` sets it: found, and the time that it held back is counted."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.bench import new_tag

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

QUOTA_US, PERIOD_US = 20_000, 100_000
BURN = """
import json, sys, time
from workers.inventory.fingerprint import fingerprint
from workers.lab.cgroup_limits import own_limits
open(sys.argv[1], "w").write("0")  # the writer itself
limits, begun_s, end = own_limits(), own_limits().throttled_s(), time.monotonic() + 0.6
while time.monotonic() < end:
    pass
facts = fingerprint()
print(json.dumps([limits.cpus, own_limits().throttled_s() - begun_s, facts["cgroup_cpu_limit"]]))
"""


@pytest.fixture
def group() -> Iterator[Path]:
    """A group with a fifth of a CPU, in version 1 or 2, whichever this host has."""
    v1, v2 = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")
    made = (v1 if v1.is_dir() else v2) / f"sd-test-{new_tag()}"
    if not v1.is_dir():
        (v2 / "cgroup.subtree_control").write_text("+cpu")
    made.mkdir()
    try:
        if v1.is_dir():
            (made / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (made / "cpu.cfs_quota_us").write_text(str(QUOTA_US))
        else:
            (made / "cpu.max").write_text(f"{QUOTA_US} {PERIOD_US}")
        yield made
    finally:
        made.rmdir()


def test_a_limit_is_in_the_fingerprint_and_what_it_held_back_is_counted(group: Path) -> None:
    argv = [sys.executable, "-c", BURN, str(group / "cgroup.procs")]
    done = subprocess.run(argv, env=dict(os.environ), capture_output=True, text=True, check=True)
    cpus, throttled_s, fact = json.loads(done.stdout)
    assert cpus == pytest.approx(QUOTA_US / PERIOD_US)
    assert fact == "0.2 CPUs"
    assert throttled_s > 0.2, "0.6 s of work that may take 0.12 s of CPU time"
