"""What a worker with a valid token may send to do harm: changes of a sound report, of a heartbeat and of a host."""

import base64
import zlib
from collections.abc import Callable
from typing import Any

Trial = dict[str, Any]
Change = Callable[[Trial], Any]


def _each(**fields: Any) -> Change:
    return lambda trial: trial.update(fields)


def _slice(**fields: Any) -> Change:
    return lambda trial: trial["slices"][0].update(fields)


def _proof(**fields: Any) -> Change:
    return lambda trial: trial["proof"].update(fields)


def _cpu(**fields: Any) -> Change:
    return lambda trial: trial["cpu"].update(fields)


def _probe(**fields: Any) -> dict[str, Any]:
    return {"stage": "qdisc", "count": 1, "sum_ns": 1} | fields


def _figure(**fields: Any) -> Change:
    return _each(figures=[{"name": "f", "title": "t", "value": 1.0} | fields])


def _series(count: int, **fields: Any) -> Change:
    values = [0.0] * count
    return _each(series=[{"name": "s", "title": "t", "at_s": values, "values": values} | fields])


def _nested(depth: int) -> Any:
    found: Any = 0
    for _ in range(depth):
        found = [found]
    return found


HUGE = 10**400
DEEP = base64.b64encode(zlib.compress(b"[" * 100_000)).decode()
TRIALS: dict[str, Change] = {
    "duration inf as text": _each(duration_s="inf"),
    "duration nan as text": _each(duration_s="nan"),
    "duration 1e308": _each(duration_s=1e308),
    "duration subnormal": _each(duration_s=5e-324),
    "requests of 400 digits": _each(requests=HUGE),
    "requests 2^63": _each(requests=2**63),
    "many requests in no time": _each(requests=2**63 - 1, duration_s=1e-9),
    "negative requests": _each(requests=-1),
    "slice begins at -inf": _slice(started_s="-inf"),
    "slice with 2^64 bytes": _slice(bytes_received=2**64),
    "slice with half a character": _slice(errors={"\ud800": 1}),
    "150,000 slices": lambda trial: trial.update(slices=trial["slices"] * 150_000),
    "accounted inf": _proof(accounted="inf"),
    "packets of 400 digits": lambda trial: trial["proof"]["counters"].update(packets=HUGE),
    "10,000 origins": lambda trial: trial["proof"]["counters"].update(origins={f"o{i}": 1 for i in range(10_000)}),
    "cpus of 400 digits": _cpu(cpus=HUGE),
    "cpu 1e308": _cpu(user_s=1e308, idle_s=1e308),
    "wall subnormal": _cpu(wall_s=5e-324),
    "work inf": _each(work={"packets": "inf"}),
    "pace inf": _each(watched_pace="inf"),
    "idle inf": _each(idle_cpu_s_per_s="inf"),
    "probe with 10^400 samples": _each(probes=[_probe(count=HUGE)]),
    "probe with inf events": _each(probes=[_probe(events="inf")]),
    "probe with p99 of 400 digits": _each(probes=[_probe(p99_ns=HUGE)]),
    "2,000 probes": _each(probes=[_probe()] * 2_000),
    "deep stacks": _each(stacks=DEEP),
    "no histogram": _each(service_time="HISTFAAAA"),
    "60 timings": lambda trial: trial.update(timings={f"t{i}": trial["service_time"] for i in range(60)}),
    "10,000 notes": _each(notes=["x"] * 10_000),
    "a generator of a megabyte": _each(generator="x" * 1_000_000),
    "window of 2^70 ns": _each(window_times={"requests": 1, "service_time_ns": 2**70}),
    "episodes of 2^70": _each(episodes={"counts": [2**70] * 61}),
    "conntrack of 400 digits": _each(surroundings={"conntrack_entries": HUGE}),
    "a figure of 1e300": _figure(value=1e300),
    "a figure of -inf": _figure(value="-inf"),
    "a title that a terminal obeys": _figure(title="\x1b]0;x\x07"),
    "a unit of two lines": _figure(unit="a\nb"),
    "99 figures": lambda trial: trial.update(figures=[{"name": f"f{i}", "title": "t", "value": 1} for i in range(100)]),
    "a series of 10,000 values": _series(10_000),
    "a series without times": _series(5, at_s=[]),
    "an offload that a terminal obeys": _each(offloads={"\x1b[2J": True}),
}
RESULTS: dict[str, dict[str, Any]] = {
    "wall inf": {"wall_s": "inf"},
    "a fat fingerprint": {"fingerprint": {f"k{i}": "x" * 3_000 for i in range(3_000)}},
    "one fat fact": {"fingerprint": {"kernel": "x" * 5_000_000}},
    "surrogate in a fact": {"fingerprint": {"\udfff": "x"}},
    "telemetry of 400 digits": {"telemetry": {"produced": HUGE}},
    "33 trials": {"trials": 33},
}
BEATS: dict[str, dict[str, Any]] = {
    "slices 2^63": {"slices_done": 2**63},
    "slices 2^31": {"slices_done": 2**31},
    "slices inf": {"slices_done": "inf"},
    "lease surrogate": {"lease": "\ud800"},
    "lease NUL": {"lease": "\0"},
    "datapath surrogate": {"datapath": "\ud800"},
    "datapath NUL": {"datapath": "a\0"},
    "a long lease": {"lease": "x" * 100_000},
}
HOSTS: dict[str, dict[str, Any]] = {
    "fat fingerprint": {"fingerprint": {f"k{i}": "x" * 3_000 for i in range(3_000)}},
    "5,000 datapaths": {"datapaths": [{"name": f"d{i}"} for i in range(5_000)]},
    "rates of 400 digits": {"workloads": [{"name": "w", "open_rates_per_s": [HUGE]}]},
    "900 levels of nesting": {"nothing": _nested(900)},
    "5,000 features": {"features": [{"name": "x", "present": True}] * 5_000},
    "IP version 10^400": {"datapaths": [{"name": "direct", "ip_versions": [HUGE]}]},
}
