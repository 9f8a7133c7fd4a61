"""What the programs of a datapath use besides the kernel's part."""

from typing import NamedTuple


class Use(NamedTuple):
    """CPU time since their start, the most memory at once, and how much that has grown since before the traffic."""

    cpu_s: float
    resident_bytes: int
    grown_bytes: int = 0
