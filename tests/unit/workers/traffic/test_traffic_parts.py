"""The generator's pure parts: histograms, schedules, hashes, parsers."""

import itertools
import math
import random
import subprocess
from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram

from domain.trials.histogram import LatencyHistogram
from tests.unit.workers.traffic.traffic_rig import program


def tool(*arguments: str, stdin: bytes = b"") -> str:
    return subprocess.run(
        [program("test-tool"), *arguments], input=stdin, capture_output=True, check=True, timeout=30
    ).stdout.decode()


def instants(count: int, *arguments: str) -> list[int]:
    return [int(line) for line in tool("schedule", str(count), *arguments).split()]


def test_a_histogram_equals_that_of_hdrhistogram() -> None:
    rng = random.Random(5)
    values = [int(10 ** rng.uniform(0, 11)) for _ in range(20_000)] + [1, 2, 2047, 2048, 2049, 119_999_999_999]
    reference = HdrHistogram(1, 120_000_000_000, 3)
    for value in values:
        reference.record_value(value)
    encoded = tool("hist", stdin="\n".join(map(str, values)).encode()).strip()
    decoded = HdrHistogram.decode(encoded)
    assert decoded.get_total_count() == len(values)
    assert list(decoded.counts) == list(reference.counts)
    for percentile in (0.1, 50, 90, 99, 99.9, 100):
        assert decoded.get_value_at_percentile(percentile) == reference.get_value_at_percentile(percentile)


def test_an_empty_histogram_and_one_full_counter_are_encoded_correctly() -> None:
    assert LatencyHistogram.decode(tool("hist").strip()).count == 0
    many = LatencyHistogram.decode(tool("hist", stdin=b"5000\n" * 70_000).strip())
    assert many.count == 70_000
    assert LatencyHistogram.merged([many, many]).count == 140_000


def test_values_beyond_the_range_are_kept_at_its_ends() -> None:
    histogram = HdrHistogram.decode(tool("hist", stdin=b"0\n999999999999999\n").strip())
    assert histogram.get_total_count() == 2
    assert histogram.get_max_value() >= 119_900_000_000


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def test_the_hash_is_crc32c() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # RFC 3720's check value
    data = random.Random(1).randbytes(5000)
    for size in (0, 1, 9, 777, 778, 5000):
        assert int(tool("crc", stdin=data[:size]), 16) == crc32c(data[:size])


def test_a_constant_rate_has_equal_gaps_without_drift() -> None:
    times = instants(100_000, "constant", "1", "0", "1", "1000000000", "constant", "30000")
    assert times == [index * 10**9 // 30_000 for index in range(100_000)]


def test_threads_share_one_schedule() -> None:
    whole = instants(3000, "constant", "1", "0", "1", "1000000000", "constant", "999")
    parts = [instants(1000, "constant", "1", str(i), "3", "1000000000", "constant", "999") for i in range(3)]
    assert sorted(itertools.chain(*parts)) == whole


def test_poisson_gaps_are_exponential_and_seeded() -> None:
    arguments = ("poisson", "7", "0", "1", "1000000000", "constant", "1000")
    times = instants(20_000, *arguments)
    assert times == instants(20_000, *arguments)
    assert times != instants(20_000, "poisson", "8", *arguments[2:])
    gaps = sorted(b - a for a, b in zip([0, *times], times, strict=False))
    mean = 1e6
    # Kolmogorov-Smirnov against the exponential; 1.63 / sqrt(n) is its 1 % limit.
    distance = max(abs((i + 1) / len(gaps) - (1 - math.exp(-gap / mean))) for i, gap in enumerate(gaps))
    assert distance < 1.63 / math.sqrt(len(gaps))


def test_poisson_threads_are_independent_streams_of_the_whole_rate() -> None:
    parts = [instants(5000, "poisson", "7", str(i), "2", "1000000000", "constant", "1000") for i in range(2)]
    assert parts[0] != parts[1]
    for part in parts:
        assert len(part) / part[-1] * 1e9 == pytest.approx(500, rel=0.06)


def test_a_ramp_rises_to_its_end() -> None:
    times = instants(3000, "constant", "1", "0", "1", "2000000000", "ramp", "1000", "2000")
    assert times[-1] == pytest.approx(2e9, rel=1e-3)  # 2 s at 1500/s on average
    early = sum(1 for t in times if t < 200_000_000)
    late = sum(1 for t in times if t >= 1_800_000_000)
    assert early == pytest.approx(210, abs=2)
    assert late == pytest.approx(390, abs=2)


def test_a_falling_ramp_falls() -> None:
    times = instants(1500, "constant", "1", "0", "1", "1000000000", "ramp", "2000", "1000")
    assert sum(1 for t in times if t < 500_000_000) == pytest.approx(875, abs=2)


def test_steps_have_their_rates() -> None:
    times = instants(600, "constant", "1", "0", "1", "3000000000", "steps", "100", "300", "200")
    counts = [sum(1 for t in times if second <= t / 1e9 < second + 1) for second in range(3)]
    assert counts == [100, 300, 200]


SEEDS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nHello World!",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"HTTP/1.0 404 Not Found\r\nServer: x\r\nConnection: keep-alive, Upgrade\r\n\r\n",
    b"GET /bytes/100 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    b"5\r\nhello\r\n1a;ext=1\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nTrailer: x\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    b"ffffffffffffffffff\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"X: " + b"a" * 9000,
    b"",
]
TOKENS = [
    b"\r\n",
    b"\n",
    b"\r",
    b":",
    b" ",
    b"\0",
    b"\xff",
    b"chunked",
    b"0",
    b"ffffffffffffffff",
    b"Content-Length: 9",
]


def mutated(rng: random.Random) -> bytes:
    data = bytearray(rng.choice(SEEDS))
    for _ in range(rng.randint(0, 6)):
        at = rng.randint(0, len(data))
        match rng.randint(0, 4):
            case 0:
                data[at : at + rng.randint(0, 8)] = rng.choice(TOKENS)
            case 1:
                data[at:at] = rng.randbytes(rng.randint(1, 8))
            case 2:
                del data[at : at + rng.randint(1, 16)]
            case 3:  # a line or a head that ends too early
                data[at:] = rng.choice([b"\n", b"\r\n\r\n"])
            case _:
                other = rng.choice(SEEDS)
                data[at:] = other[rng.randint(0, len(other)) :]
    return bytes(data[:20_000])


def test_mutated_input_never_breaks_a_parser(tmp_path: Path) -> None:
    rng = random.Random(20)
    paths = []
    for index in range(1500):
        path = tmp_path / f"{index:04d}"
        path.write_bytes(SEEDS[index] if index < len(SEEDS) else mutated(rng))
        paths.append(str(path))
    done = subprocess.run([program("fuzz-parser"), *paths], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
