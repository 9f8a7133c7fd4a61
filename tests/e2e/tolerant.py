"""The command line for stacks of tests: noise makes no trial invalid, and a worker reports more often.

Beside other tests every host is noisy. Then a worker waits for a quiet host before each block, and the coordinator
tries each block three times: a minute per block that proves nothing. What noise does to blocks and campaigns is tested
in tests/unit and tests/kernel/runner/test_block_interference.py. ``showdown run`` and ``showdown up`` of test_stack.py
are the product's own.
"""

import math
import sys

from domain import noise_limits

REPORT_S = 3.0  # instead of 30 s


def tolerate_noise() -> None:
    """Lift every limit. Called before other modules import the limits by name."""
    for name in vars(noise_limits):
        if name.startswith("MAX_"):
            setattr(noise_limits, name, math.inf)


def report_often() -> None:
    """Let this process register, and report vitals and the matrix, in short periods."""
    from workers.agent import registration

    registration.PERIOD_S = REPORT_S


if __name__ == "__main__":
    tolerate_noise()
    if "worker" in sys.argv:
        report_often()
    from deploy.cli.main import main

    main(prog_name="showdown")
