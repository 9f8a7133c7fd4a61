"""Standard output for a command's own text alone: C libraries, such as BCC's, write to descriptor 1, too."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_STDOUT, _STDERR = 1, 2


@contextmanager
def libraries_to_stderr() -> Iterator[None]:
    """Meanwhile, what anything writes to standard output goes to standard error."""
    sys.stdout.flush()
    kept = os.dup(_STDOUT)
    os.dup2(_STDERR, _STDOUT)
    try:
        yield
    finally:
        sys.stdout.flush()
        ctypes.CDLL(None).fflush(None)  # C's own buffers, which would else be written out at the end of the process
        os.dup2(kept, _STDOUT)
        os.close(kept)
