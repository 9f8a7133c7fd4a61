"""Which machine this is, and since when it is up. Ids are hashes, because machine-id(5) asks to keep the id secret."""

import hashlib
import time
from importlib.metadata import version
from pathlib import Path

from domain.hosts.host_identity import HostIdentity

_MACHINE_IDS = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"), Path("/sys/class/dmi/id/product_uuid"))
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_NO_IDS = frozenset({"", "uninitialized"})  # what the file holds before systemd has set it
_HEX_DIGITS = 32


def host_identity() -> HostIdentity:
    """The machine, its boot and how long ago that was."""
    boot = _read(_BOOT_ID)
    # A machine without an id, such as many a container, is known by its boot only.
    machine = next((found for path in _MACHINE_IDS if (found := _read(path)) not in _NO_IDS), boot)
    return HostIdentity(
        machine=_hashed("machine", machine),
        boot=_hashed("boot", boot),
        up_s=time.clock_gettime(time.CLOCK_BOOTTIME),
        version=version("showdown"),
    )


def _hashed(kind: str, identifier: str) -> str:
    if identifier in _NO_IDS:
        return ""
    return hashlib.sha256(f"showdown {kind} {identifier}".encode()).hexdigest()[:_HEX_DIGITS]


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
