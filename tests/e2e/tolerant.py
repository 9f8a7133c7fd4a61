"""The command line for stacks of tests: noise makes no trial invalid; a worker reports often, and its origins are slow.

Beside other tests every host is noisy. Then a worker waits for a quiet host before each block, and the coordinator
tries each block three times: a minute per block that proves nothing. What noise does to blocks and campaigns is tested
in tests/unit and tests/kernel/runner/test_block_interference.py. ``showdown run`` and ``showdown up`` of test_stack.py
are the product's own.

Coordinator, ticker and worker are confined as their systemd units confine them.
"""

import math
import os
import sys
from pathlib import Path

from domain.hosts import noise_limits
from domain.hosts.environment import PYTHON_OPTIONS

REPORT_S = 3.0  # instead of 30 s
CONFINED = "SHOWDOWN_TEST_CONFINED"


def tolerate_noise() -> None:
    """Lift every limit. Called before other modules import the limits by name."""
    for name in vars(noise_limits):
        if name.startswith("MAX_"):
            setattr(noise_limits, name, math.inf)


def report_often() -> None:
    """Let this process register, and report vitals and the matrix, in short periods."""
    from workers.agent import registration

    registration.PERIOD_S = REPORT_S


def calm_origins() -> None:
    """Let a closed loop leave time to the tests beside it."""
    from tests.calm import calm_from_now_on

    calm_from_now_on()


def confine() -> None:
    """Start this process again, confined, if it is one that has a unit, and this host can do that."""
    sys.path.append(str(Path(__file__).parents[2]))  # tests are no installed package
    from tests import confinement

    units = {("coordinator", "serve"): "coordinator", ("coordinator", "ticker"): "ticker"}
    unit = units.get(tuple(sys.argv[1:3]), "worker" if "worker" in sys.argv[1:2] else "")
    if unit and CONFINED not in os.environ and confinement.is_possible():
        argv = confinement.confined(unit, [sys.executable, *PYTHON_OPTIONS, *sys.argv])
        os.execvpe(argv[0], argv, os.environ | {CONFINED: unit})


if __name__ == "__main__":
    confine()
    tolerate_noise()
    if "worker" in sys.argv:
        report_often()
        calm_origins()
    from deploy.cli.main import main

    main(prog_name="showdown")
