"""Binds the coordinator's address before gunicorn starts, so that a taken address is one sentence and no retry."""

import os
import socket

_BACKLOG = 512


class AddressUnusable(RuntimeError):
    """The address cannot be bound; the message says why."""


def as_descriptor(bind: str) -> str:
    """``fd://N`` of a listening socket on ``host:port``, to be inherited over ``exec``; unix: and fd: stay as they are.

    Raises :class:`AddressUnusable`.
    """
    if bind.startswith(("unix:", "fd://")):
        return bind
    host, _, port = bind.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise AddressUnusable(f"{bind!r} is not an address: use host:port or unix:/path")
    host = host.removeprefix("[").removesuffix("]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, int(port)))
            listener.listen(_BACKLOG)
        except OSError as error:
            raise AddressUnusable(f"{bind} cannot be used: {error.strerror or error}; choose another --bind") from error
        descriptor = os.dup(listener.fileno())
    os.set_inheritable(descriptor, True)
    return f"fd://{descriptor}"
