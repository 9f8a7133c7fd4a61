"""What a process has used, as /proc reports it."""

import os
from pathlib import Path

from domain.values.use import Use

_UTIME, _STIME = 11, 12  # of the fields behind the command's name in /proc/PID/stat


def used_by(pid: int) -> Use:
    """CPU time of all its threads, in whole ticks, and its largest resident set so far. Raises ``OSError``."""
    place = Path(f"/proc/{pid}")
    fields = (place / "stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[_UTIME]) + int(fields[_STIME])
    lines = (place / "status").read_text().splitlines()
    kib = next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)
    return Use(cpu_s=ticks / os.sysconf("SC_CLK_TCK"), resident_bytes=kib << 10)
