"""Programs that are asked to end remove what they made."""

import signal
import sys
from types import FrameType


def ends_in_order() -> None:
    """SIGTERM and SIGHUP end the program as an exception does: its directories, servers and labs are removed."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
