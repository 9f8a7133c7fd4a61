"""The generator reports its own stalls for each slice. In a closed loop no other figure shows them."""

import json
import os
import signal
import subprocess
import time

import pytest

from tests.host_noise import in_windows
from tests.unit.workers.traffic.traffic_rig import good, origin, program, target


@in_windows
def test_a_stopped_generator_reports_the_duration_and_the_slice() -> None:
    with origin() as server:
        process = subprocess.Popen(
            [
                *(program(), "load", "--workload", "http_keepalive", "--closed", "--connections", "4"),
                *("--duration-ms", "800", "--slice-ms", "400", "--target", target(server.ports["http"])),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        server.await_connections(4)
        time.sleep(0.2)
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(0.3)
        os.kill(process.pid, signal.SIGCONT)
        out, _ = process.communicate(timeout=20)
    final = json.loads(out.splitlines()[-1])
    stalled_ms = [piece["stalled_ns"] / 1e6 for piece in final["slices"]]
    assert sum(stalled_ms) == pytest.approx(300, abs=60)
    assert max(stalled_ms) == sum(stalled_ms)
    assert final["targets"]["only"]["stalled_ns"] == sum(piece["stalled_ns"] for piece in final["slices"])


@pytest.mark.parametrize("loop", [("--closed",), ("--open", "50")])
@in_windows
def test_sleeping_and_working_are_no_stalls(loop: tuple[str, ...]) -> None:
    with origin("--stall-ms", "100", "--stall-every-ms", "200") as server:
        run = good(
            *("--workload", "http_keepalive", *loop, "--connections", "8", "--duration-ms", "600"),
            *("--target", target(server.ports["http"])),
        )
    assert run.one["stalled_ns"] == 0
