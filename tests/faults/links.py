"""Links between a worker and a server, which a test damages while they are used: a forwarder on loopback. No root.

The damage is real for both ends: they see what a network does, and no function of theirs is replaced.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from workers.agent.config import Address

_AT_ONCE = 65536
_ANSWERS_WITHIN_S = 10.0
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)

Found = TypeVar("Found")


class Damage(Enum):
    """What happens to connections."""

    NONE = "whole"
    RESET = "reset"
    """Each connection is reset, and so is each new one: a firewall that rejects."""
    SILENT = "silent"
    """Bytes vanish, and no end hears of it: a firewall that drops. Who sent something meanwhile stays unheard, also
    when the link is whole again, as its connection is no longer known on the way."""


class _Connection:
    """Both ends of a forwarded connection; of one that begins in silence, the near end alone."""

    def __init__(self, *ends: asyncio.StreamWriter) -> None:
        self.ends = list(ends)
        self.is_silent = False

    def reset(self) -> None:
        for end in self.ends:
            found = end.get_extra_info("socket")
            if found.fileno() >= 0:  # asyncio has closed one whose peer has reset it
                found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
            end.transport.abort()


class Link:
    """Forwards connections to ``target``, which is asked at each; :attr:`port` of 127.0.0.1 is the near end.

    A context manager. Its thread runs an event loop; all other methods may be called from any other thread.
    """

    def __init__(self, target: Callable[[], Address]) -> None:
        self.stopped = 0
        """Connections that were reset, or from which bytes vanished."""
        self._target, self._damage = target, Damage.NONE
        self._connections: set[_Connection] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="link", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._forward, "127.0.0.1", 0))
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def suffer(self, damage: Damage) -> None:
        """From now on the link is damaged so, or whole again."""
        self._call(self._set(damage))

    def _call(self, work: Coroutine[Any, Any, Found]) -> Found:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_ANSWERS_WITHIN_S)

    async def _set(self, damage: Damage) -> None:
        self._damage = damage
        if damage is Damage.RESET:
            for one in list(self._connections):
                self._stop(one)

    async def _close(self) -> None:
        self._server.close()
        for one in list(self._connections):
            one.reset()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _stop(self, one: _Connection) -> None:
        if not one.is_silent:
            self.stopped += 1
        if self._damage is Damage.SILENT:
            one.is_silent = True
        else:
            one.reset()

    async def _forward(self, reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        connection = _Connection(near)
        if self._damage is not Damage.NONE:
            self._stop(connection)
        if self._damage is Damage.RESET:
            return
        self._connections.add(connection)
        try:
            if connection.is_silent:
                await self._pump(reader, None, connection)
            else:
                await self._both_ways(reader, near, connection)
        finally:
            self._connections.discard(connection)
            for end in connection.ends:
                end.close()

    async def _both_ways(
        self, reader: asyncio.StreamReader, near: asyncio.StreamWriter, connection: _Connection
    ) -> None:
        target = self._target()
        try:
            opened = (
                asyncio.open_unix_connection(target) if isinstance(target, Path) else asyncio.open_connection(*target)
            )
            far_reader, far = await opened
        except OSError:  # the server is away: so it is for who asks through the link
            connection.reset()
            return
        connection.ends.append(far)
        pumps = [
            asyncio.ensure_future(self._pump(reader, far, connection)),
            asyncio.ensure_future(self._pump(far_reader, near, connection)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter | None, connection: _Connection
    ) -> None:
        """Returns at the end of a connection; of a silent one, whose end is not heard either, when the link closes."""
        try:
            while data := await reader.read(_AT_ONCE):
                if self._damage is Damage.SILENT:
                    self._stop(connection)
                if writer is not None and not connection.is_silent:
                    writer.write(data)
                    await writer.drain()
        except OSError:
            pass
        if self._damage is Damage.SILENT:
            self._stop(connection)
        if connection.is_silent:
            await asyncio.get_running_loop().create_future()
