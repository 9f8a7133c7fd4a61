"""Simulated hosts: each registers, claims blocks, sends heartbeats and reports results, as a worker does, in no kernel.

Some misbehave as real ones do: they repeat a report, claim an attempt twice, or fall silent and report too late.
"""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from domain.service.jobs import HEARTBEAT_S, LEASE_S
from tests.bench.fleet_work import Work

REGISTER_S = 30.0  # as workers do
CLAIMED_TWICE, REPORTED_TWICE, SILENT = 0.02, 0.05, 0.01  # shares of the attempts
SILENCE_S = LEASE_S + 8.0
LONGEST_S = 120.0  # a request that takes longer is an error of the bench


@dataclass
class Seen:
    """What all hosts saw together. ``accepted``: by attempt, the mark of the result that the coordinator took first."""

    accepted: dict[str, int] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    took_s: dict[str, list[float]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


class Host:
    """One host with one connection."""

    def __init__(self, name: str, token: str, address: tuple[str, int], work: Work, seen: Seen, rng: random.Random):
        self.name, self._token, self._address = name, token, address
        self._work, self._seen, self._rng = work, seen, rng
        self.messages: asyncio.Queue[Sequence[str | int]] = asyncio.Queue()
        self._lock = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._heard_at = time.time()

    async def run(self) -> None:
        """Register, then do what messages ask, until cancelled."""
        await asyncio.sleep(self._rng.random() * 5.0)
        await self._register()
        presence = asyncio.create_task(self._stay_present())
        try:
            while True:
                await self._take(await self.messages.get())
        finally:
            presence.cancel()
            if self._streams is not None:
                self._streams[1].close()

    async def _stay_present(self) -> None:
        while True:
            await asyncio.sleep(REGISTER_S * (0.9 + 0.2 * self._rng.random()))
            await self._register()

    async def _register(self) -> None:
        await self._expect("register", "PUT", f"hosts/{self.name}", self._work.registration(self.name))

    async def _take(self, message: Sequence[str | int]) -> None:
        self._heard_at = time.time()
        if len(message) == 1:
            vitals = {"clock_s": time.time(), "heard_s": self._heard_at}
            await self._expect("vitals", "PUT", f"hosts/{self.name}/vitals", json.dumps(vitals).encode())
            return
        attempt = f"{message[1]}-{message[2]}"
        path = f"blocks/{message[1]}/attempts/{message[2]}"
        claims = [await self._ask("claim", "POST", f"{path}/claim", self._work.claim(self.name))]
        if self._rng.random() < CLAIMED_TWICE:
            claims.append(await self._ask("claim", "POST", f"{path}/claim", self._work.claim(self.name)))
        granted = [content for status, content in claims if status == 200]
        self._seen.refused["claims"] += len(claims) - len(granted)
        if len(granted) > 1:
            self._seen.wrong.append(f"{attempt} was granted {len(granted)} times")
        if granted:
            await self._run_block(attempt, path, json.loads(granted[0])["lease"])

    async def _run_block(self, attempt: str, path: str, lease: str) -> None:
        if self._rng.random() < SILENT:
            await asyncio.sleep(SILENCE_S)
        else:
            end_at = time.monotonic() + self._work.block_s
            while (left_s := end_at - time.monotonic()) > 0:
                await asyncio.sleep(min(HEARTBEAT_S, left_s))
                status, _ = await self._ask("heartbeat", "POST", f"{path}/heartbeat", self._work.beat(lease))
                if status != 200:
                    self._seen.refused["heartbeats"] += 1
                    break
        mark, body = self._work.report(self.name, lease)
        status, _ = await self._ask("report", "PUT", f"{path}/report", body)
        if status != 204:
            self._seen.refused["reports"] += 1
            return
        if attempt in self._seen.accepted:
            self._seen.wrong.append(f"two results of {attempt} were accepted")
        self._seen.accepted[attempt] = mark
        if self._rng.random() < REPORTED_TWICE:
            await self._expect("report again", "PUT", f"{path}/report", self._work.report(self.name, lease)[1])

    async def _expect(self, kind: str, method: str, path: str, body: bytes) -> None:
        status, content = await self._ask(kind, method, path, body)
        if status >= 300:
            raise RuntimeError(f"{method} {path}: {status} {content[:300]!r}")

    async def _ask(self, kind: str, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        async with self._lock:
            began = time.perf_counter()
            answer = await asyncio.wait_for(self._exchange(method, path, body), LONGEST_S)
        self._seen.took_s.setdefault(kind, []).append(time.perf_counter() - began)
        return answer

    async def _exchange(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        head = f"{method} /api/v1/worker/{path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {self._token}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        for _ in range(2):  # a kept connection may have ended meanwhile
            fresh = self._streams is None
            reader, writer = self._streams or await asyncio.open_connection(*self._address)
            self._streams = reader, writer
            try:
                writer.write(head.encode() + body)
                return await _answer(reader)
            except (ConnectionError, asyncio.IncompleteReadError):
                self._streams = None
                if fresh:
                    raise
        raise ConnectionError("the coordinator closes every connection")


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    length = next((int(line.partition(":")[2]) for line in head if line.lower().startswith("content-length:")), 0)
    return int(head[0].split()[1]), await reader.readexactly(length)
