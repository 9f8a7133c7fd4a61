"""Programs of a lab that read foreign bytes and need no root: a user and group of their own, and few capabilities."""

import os
from collections.abc import Sequence
from pathlib import Path

UID = 65_532
"""User and group of such programs. systemd and Debian leave this number unused, so they own no file of the host."""


def options(keeping: Sequence[str]) -> list[str]:
    """What setpriv(1) must be given so that a program keeps these capabilities alone (``net_admin``)."""
    capabilities = ",".join(["-all", *(f"+{one}" for one in keeping)])
    kinds = [f"--{kind}={capabilities}" for kind in ("inh-caps", "ambient-caps", "bounding-set")]
    return [f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--no-new-privs", *kinds]


def directory(run_dir: Path, name: str) -> Path:
    """A directory below a lab's run directory that such a program may write to."""
    for above in (run_dir, run_dir.parent):
        above.chmod(above.stat().st_mode | 0o111)  # reached by name, not listed
    place = run_dir / name
    place.mkdir(mode=0o700, exist_ok=True)
    os.chown(place, UID, UID)
    return place
