"""``make bench-hosts``: a thousand simulated hosts on one coordinator, and whether a trial was lost or doubled.

Each host has its token and its connection. Campaigns of fifty hosts run until every block has ended. Then the database
is compared with what the hosts saw. Each block must have exactly one accepted result, the one that its host sent, with
exactly one trial of each datapath. ``--database postgresql`` uses a private server. The last line is one JSON object.
"""

import argparse
import asyncio
import json
import os
import random
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from coordinator.scheduling.lifecycle import OPEN_CAMPAIGNS
from coordinator.store.hosts.enrolments import enrol
from coordinator.store.rows.database import Store
from coordinator.store.rows.models import AttemptRow, BlockRow, CampaignRow, HostRow, TrialRow
from domain.hosts.environment import own_environment
from domain.hosts.host_tokens import RANDOM_BYTES, hash_of, token_of
from tests import ROOT
from tests.bench.fleet_hosts import Host, Seen
from tests.bench.fleet_server import SOCKET
from tests.bench.fleet_work import DATAPATHS, Work, shape
from tests.bench.million import database, percentiles
from tests.bench.scale_server import Served, served
from tests.orderly import ends_in_order

HOSTS, EACH, BLOCK_S = 1000, 3, 8.0
OF_A_CAMPAIGN = 50  # hosts
REGISTERED_S = 120.0
WATCH_S = 1.0
LIMIT_MB, GROWTH = 300, 1.10
_DATAGRAM = 4096


def judge(store: Store, seen: Seen) -> list[str]:
    """What was lost or doubled, in words; nothing if all is well."""
    wrong = list(seen.wrong)
    with store.read() as session:
        blocks = dict(session.execute(select(BlockRow.id, BlockRow.state)).all())
        query = select(AttemptRow.id, AttemptRow.block_id, AttemptRow.wall_s).where(AttemptRow.state == "done")
        done = session.execute(query).all()
        trials = dict(session.execute(select(TrialRow.attempt_id, func.count()).group_by(TrialRow.attempt_id)).all())
    wrong += [f"block {block} is {state}" for block, state in blocks.items() if state != "done"]
    results = Counter(block for _, block, _ in done)
    wrong += [f"block {block} has {results[block]} results" for block in blocks if results[block] != 1]
    marks = {attempt: int(wall_s or 0) for attempt, _, wall_s in done}
    wrong += [f"attempt {one} has {trials.get(one)} trials" for one in marks if trials.get(one) != DATAPATHS]
    wrong += [f"attempt {one} has trials and no result" for one in trials if one not in marks]
    for attempt in sorted({*marks, *seen.accepted}):
        if marks.get(attempt) != seen.accepted.get(attempt):
            wrong.append(f"{attempt}: stored is {marks.get(attempt)}, sent was {seen.accepted.get(attempt)}")
    return wrong


async def until_ended(store: Store, coordinator: Served, limit_s: float) -> list[int]:
    """Wait for the end of all campaigns; returns the coordinator's memory, in MB, each second."""
    memory, give_up_at = list[int](), time.monotonic() + limit_s
    while time.monotonic() < give_up_at:
        await asyncio.sleep(WATCH_S)
        memory.append(coordinator.now_mb())
        with store.read() as session:
            is_open = select(CampaignRow.id).where(CampaignRow.state.in_(OPEN_CAMPAIGNS)).limit(1)
            if session.scalar(is_open) is None:
                return memory
    raise RuntimeError(f"campaigns are still open after {limit_s:.0f} s")


async def run(coordinator: Served, store: Store, incoming: socket.socket, count: int, each: int) -> dict[str, Any]:
    """Start all hosts, submit, wait, judge."""
    work, seen, tokens = Work(BLOCK_S), Seen(), {}
    for number in range(count):
        tokens[f"host-{number:04d}"] = token_of(secrets.token_bytes(RANDOM_BYTES))
    with store.write() as session:
        for name, token in tokens.items():
            enrol(session, name, hash_of(token), time.time())
    hosts = {
        name: Host(name, token, coordinator.address, work, seen, random.Random(name)) for name, token in tokens.items()
    }
    asyncio.get_running_loop().add_reader(incoming, _deliver, incoming, hosts)
    tasks = [asyncio.create_task(host.run()) for host in hosts.values()]
    try:
        await _registered(store, count, tasks)
        began = time.monotonic()
        names = sorted(hosts)
        for number, first in enumerate(range(0, count, OF_A_CAMPAIGN)):
            body = shape(number, names[first : first + OF_A_CAMPAIGN], each)
            await asyncio.to_thread(coordinator.ask, "POST", "campaigns", body)
        memory = await until_ended(store, coordinator, 120 + 30 * each * (BLOCK_S + count / 20))
        took_s = time.monotonic() - began
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    seen.wrong += [f"a host ended: {one!r}" for one in ended if not isinstance(one, asyncio.CancelledError)]
    return _found(store, seen, memory, took_s)


def _deliver(incoming: socket.socket, hosts: dict[str, Host]) -> None:
    with suppress(BlockingIOError):
        while True:
            message = json.loads(incoming.recv(_DATAGRAM))
            hosts[message[0]].messages.put_nowait(message)


async def _registered(store: Store, count: int, tasks: list["asyncio.Task[None]"]) -> None:
    give_up_at = time.monotonic() + REGISTERED_S
    while time.monotonic() < give_up_at and not any(task.done() for task in tasks):
        with store.read() as session:
            if session.scalar(select(func.count()).select_from(HostRow)) == count:
                return
        await asyncio.sleep(WATCH_S)
    raise RuntimeError("not every host has registered")


def _found(store: Store, seen: Seen, memory: list[int], took_s: float) -> dict[str, Any]:
    wrong, third = judge(store, seen), memory[len(memory) // 3]
    requests = sum(map(len, seen.took_s.values()))
    return {
        "blocks": len(seen.accepted), "trials": DATAPATHS * len(seen.accepted), "seconds": round(took_s),
        "blocks_per_s": round(len(seen.accepted) / took_s, 1), "requests_per_s": round(requests / took_s),
        "ms": {kind: percentiles([1000 * one for one in took]) for kind, took in sorted(seen.took_s.items())},
        "refused": dict(seen.refused), "memory_mb": {"third": third, "end": memory[-1], "most": max(memory)},
        "wrong": wrong[:20],
        "ok": not wrong and max(memory) <= LIMIT_MB and memory[-1] <= GROWTH * third,
    }  # fmt: skip


@contextmanager
def ticking(environment: dict[str, str]) -> Iterator[None]:
    """The ticker, in a process. Raises ``RuntimeError`` if it ended by itself: without it no lease expires."""
    argv = [sys.executable, "-m", "tests.bench.fleet_server"]
    process = subprocess.Popen(argv, cwd=ROOT, env=environment | {"PYTHONPATH": str(ROOT)})
    try:
        yield
        if process.poll() is not None:
            raise RuntimeError(f"the ticker ended (exit status {process.poll()})")
    finally:
        process.terminate()
        process.wait(60)


def measured(hosts: int, each: int, kind: str) -> dict[str, Any]:
    """All processes."""
    with tempfile.TemporaryDirectory() as name, database(kind) as url:
        incoming = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        incoming.setblocking(False)
        incoming.bind(path := os.path.join(name, "messages"))
        environ = {SOCKET: path}
        with incoming, served(Path(name), url, app="tests.bench.fleet_server:serve_app()", **environ) as coordinator:
            store = Store(coordinator.settings.database_url)
            environment = own_environment(os.environ) | environ | {"SHOWDOWN_STATE_DIR": name}
            with ticking(environment | ({"SHOWDOWN_DATABASE_URL": url} if url else {})):
                found = asyncio.run(run(coordinator, store, incoming, hosts, each))
            store.close()
    return {"database": kind, "hosts": hosts, **found}


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=HOSTS)
    parser.add_argument("--each", type=int, default=EACH, help="blocks that each host measures")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    chosen = parser.parse_args()
    found = measured(chosen.hosts, chosen.each, chosen.database)
    print(json.dumps(found))
    sys.exit(0 if found["ok"] else 1)


if __name__ == "__main__":
    ends_in_order()
    main()
