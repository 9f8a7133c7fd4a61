"""Device offloads: set on every device of a lab, and read back from the kernel (ethtool's ioctl interface)."""

import array
import fcntl
import socket
import struct

SIOCETHTOOL = 0x8946

# ETHTOOL_G* and ETHTOOL_S*, include/uapi/linux/ethtool.h
_COMMANDS = {
    "rx_checksum": (0x14, 0x15),
    "tx_checksum": (0x16, 0x17),
    "tso": (0x1E, 0x1F),
    "gso": (0x23, 0x24),
    "gro": (0x2B, 0x2C),
}

DEFAULTS = {"rx_checksum": True, "tx_checksum": True, "tso": True, "gso": True, "gro": False}
"""The defaults of veth devices, set explicitly because kernels differ. GRO would switch a veth to NAPI."""


def set_offloads(device: str, values: dict[str, bool]) -> dict[str, bool]:
    """Set offloads of a device in the calling thread's namespace; returns what the kernel has set.

    Raises ``OSError`` if there is no such device.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for name, value in values.items():
            if _call(control, device, _COMMANDS[name][0]) != int(value):
                _call(control, device, _COMMANDS[name][1], int(value))
        return {name: bool(_call(control, device, get)) for name, (get, _) in _COMMANDS.items()}


def _call(control: socket.socket, device: str, command: int, value: int = 0) -> int:
    buffer = array.array("I", [command, value])
    request = struct.pack("16sP", device.encode(), buffer.buffer_info()[0])
    fcntl.ioctl(control.fileno(), SIOCETHTOOL, request.ljust(40, b"\0"))
    return buffer[1]
