"""What the programs of a datapath use besides the kernel's part."""

from typing import NamedTuple


class Use(NamedTuple):
    """CPU time since their start, and the most memory at once."""

    cpu_s: float
    resident_bytes: int
