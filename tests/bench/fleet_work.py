"""What simulated hosts send: bodies that are made once, with a mark in each result by which it is found again."""

import itertools
import json
from typing import Any

import numpy as np

from tests.bench.scale import WORKLOAD, a_host, a_trial

DATAPATHS = 4
_MARK, _HOST = 987654.25, "the-host"
_PATTERNS = 8


def shape(number: int, hosts: list[str], blocks_of_each: int) -> dict[str, Any]:
    """A campaign of one level, in which each host measures so many blocks."""
    return {
        "name": f"fleet-{number}",
        "datapaths": [f"dp{place}" for place in range(DATAPATHS)],
        "workloads": [WORKLOAD],
        "levels": {"l1": "open(2000)"},
        "blocks": blocks_of_each * len(hosts),
        "hosts": hosts,
        "slices": 1,
        "slice_s": 0.5,
        "open_slice_s": 1.0,
        "warm_up_s": 0,
        "seed": 7,
    }


class Work:
    """The bodies of requests."""

    def __init__(self, block_s: float) -> None:
        self.block_s = block_s
        self._marks = itertools.count(1)
        rng = np.random.default_rng(5)
        self._results = [self._result(rng).encode() for _ in range(_PATTERNS)]
        self._registration = a_host(DATAPATHS, copies=1).model_dump_json()

    def registration(self, host: str) -> bytes:
        """What a host can run."""
        body = json.loads(self._registration) | {"host": host}
        return json.dumps(body, allow_nan=False).encode()

    def claim(self, host: str) -> bytes:
        """A claim."""
        return json.dumps({"host": host}, allow_nan=False).encode()

    def beat(self, lease: str) -> bytes:
        """A heartbeat."""
        return json.dumps({"lease": lease, "phase": "slices", "datapath": "dp1", "slices_done": 1}).encode()

    def report(self, host: str, lease: str) -> tuple[int, bytes]:
        """A report, and the mark of its result: its ``wall_s``."""
        mark = next(self._marks)
        result = self._results[mark % _PATTERNS].replace(str(_MARK).encode(), str(mark).encode())
        return mark, b'{"lease":"%s","result":%s}' % (lease.encode(), result.replace(_HOST.encode(), host.encode()))

    def _result(self, rng: np.random.Generator) -> str:
        trials = [a_trial(f"dp{place}", "l1", rng, probes=False) for place in range(DATAPATHS)]
        facts = {"kernel": "6.18.2", "cpus": "2", "cpu_model": "a CPU"}
        return json.dumps({"host": _HOST, "trials": trials, "wall_s": _MARK, "fingerprint": facts}, allow_nan=False)
