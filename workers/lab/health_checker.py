"""A health checker in a lab's DUT: it connects to every origin at short intervals, and calls ``mark`` for changes."""

import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from workers.lab import netns
from workers.lab.health import HEALTH_PORT, HealthCheck, Mark, OriginHealth
from workers.lab.lab import Lab

_ENDS_WITH_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: a check leaves no socket in TIME_WAIT


def answering(addresses: Sequence[str], within_s: float) -> dict[str, bool]:
    """Whether each address accepts a connection at :data:`HEALTH_PORT`, tried at once from the thread's namespace."""
    found, deadline = dict.fromkeys(addresses, False), time.monotonic() + within_s
    poller, waiting = select.poll(), dict[int, tuple[str, socket.socket]]()
    with ExitStack() as stack:
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            one = stack.enter_context(socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK))
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ENDS_WITH_RESET)
            one.connect_ex((address, HEALTH_PORT))
            poller.register(one, select.POLLOUT)
            waiting[one.fileno()] = address, one
        while waiting and (left_s := deadline - time.monotonic()) > 0:
            for descriptor, _ in poller.poll(left_s * 1000):
                address, one = waiting.pop(descriptor)
                poller.unregister(one)
                found[address] = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    return found


class Checker:
    """Checks the origins of ``lab`` while :meth:`going_on` lasts; afterwards all of them are marked as up again."""

    def __init__(self, lab: Lab, check: HealthCheck, mark: Callable[[str, bool], None]) -> None:
        self.marks: list[Mark] = []
        self._lab, self._check, self._mark = lab, check, mark
        self._states = {address: OriginHealth(check) for address in lab.answering}
        self._ended = threading.Event()
        self._errors: list[Exception] = []

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Check meanwhile. Raises what ``mark`` raised."""
        thread = threading.Thread(target=self._run, name="health", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()
        for address, state in self._states.items():
            if not state.up:
                self._mark(address, True)
        if self._errors:
            raise self._errors[0]

    def _run(self) -> None:
        try:
            netns.call_in(self._lab.dut_ns, self._go_on)
        except Exception as error:  # handed to the thread that waits
            self._errors.append(error)

    def _go_on(self) -> None:
        due_s = time.monotonic()
        while not self._ended.is_set():
            for address, answered in answering(list(self._states), self._check.every_s).items():
                if self._states[address].saw(answered=answered):
                    self._mark(address, answered)
                    self.marks.append(Mark(time.monotonic(), address, answered))
            due_s = max(due_s + self._check.every_s, time.monotonic())
            self._ended.wait(due_s - time.monotonic())
