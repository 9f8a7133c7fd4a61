"""Encoded histograms and stacks of a sender that means harm: refused before they take memory or time."""

import base64
import gc
import json
import struct
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from hdrh.histogram import HdrHistogram
from pydantic import TypeAdapter

from coordinator.analysis.kernel.flamegraph import flame_svg
from domain.probes.stacks import MAX_FRAMES, Stacks
from domain.trials.histogram import DIGITS, HIGHEST_NS, LOWEST_NS, LatencyHistogram

MB = 1 << 20


def packed(payload: bytes, *, cookie: int = 0x1C849314, length: int | None = None) -> str:
    body = zlib.compress(payload)
    return base64.b64encode(struct.pack(">II", cookie, len(body) if length is None else length) + body).decode()


def counts(data: bytes, *, lowest: int = LOWEST_NS, highest: int = HIGHEST_NS, digits: int = DIGITS) -> str:
    return packed(struct.pack(">IIIIQQd", 0x1C849313, len(data), 0, digits, lowest, highest, 1.0) + data)


def varint(value: int) -> bytes:
    """ZigZag LEB128 as HdrHistogram writes it."""
    value, out = (value << 1) ^ (value >> 63), b""
    while value >= 0x80 and len(out) < 8:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value & 0xFF])


HOSTILE: dict[str, Callable[[], str]] = {
    "fifty megabytes of buckets": lambda: counts(b"", lowest=1, highest=2**62, digits=5),
    "other digits": lambda: counts(b"", digits=2),
    "other range": lambda: counts(b"", highest=HIGHEST_NS // 2),
    "another library's header": lambda: HdrHistogram(1, 3_600_000_000, 3).encode().decode(),
    "a bomb": lambda: packed(b"\0" * 100 * MB),
    "a bomb behind a good header": lambda: counts(b"\0" * 100 * MB),
    "more buckets than there are": lambda: counts(varint(1) * 33_000),
    "a run of zeros to nowhere": lambda: counts(varint(-(2**40)) + varint(1)),
    "a count of 2^61": lambda: counts(varint(2**61)),
    "counts that sum beyond 64 bits": lambda: counts(varint(2**45) * 20_000),
    "a cut varint": lambda: counts(b"\xff"),
    "another cookie": lambda: packed(b"", cookie=1),
    "another length": lambda: packed(b"x" * 40, length=7),
    "nothing": lambda: "",
    "no base64": lambda: "HISTFAAAA!!",
    "not compressed": lambda: base64.b64encode(struct.pack(">II", 0x1C849314, 4) + b"abcd").decode(),
    "a second stream": lambda: LatencyHistogram.of({100: 1}).encode() + "AAAA",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_histogram_is_refused_before_it_takes_memory(name: str) -> None:
    text = HOSTILE[name]()
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"histogram|pattern|at most"):
            TypeAdapter(LatencyHistogram).validate_python(text)
        assert tracemalloc.get_traced_memory()[1] < 4 * MB
    finally:
        tracemalloc.stop()


def test_a_sound_histogram_is_checked_and_not_kept_in_memory() -> None:
    text = LatencyHistogram.of({100_000: 900, HIGHEST_NS: 3}).encode()
    adapter = TypeAdapter(LatencyHistogram)
    tracemalloc.start()
    found = [adapter.validate_python(text) for _ in range(200)]
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < MB  # decoded they are 40 MB
    assert {one.encode() for one in found} == {text}
    assert found[0].count == 903
    assert found[0].percentile_ns(100) == LatencyHistogram.decode(text).percentile_ns(100)
    found[0].record(5_000)
    assert LatencyHistogram.decode(found[0].encode()).count == 904


def stacks(text: str) -> str:
    return base64.b64encode(zlib.compress(text.encode())).decode()


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"hertz": 1, "lost": 0, "counts": {"dut": ' + '{"a":' * 5_000 + "1" + "}" * 5_003,
        json.dumps({"hertz": 1, "lost": 0, "counts": {"dut": {";".join("f" * (MAX_FRAMES + 1)): 1}}}),
        json.dumps({"hertz": 10**9, "lost": 0, "counts": {}}),
        json.dumps({"hertz": 1, "lost": 2**63, "counts": {}}),
        '{"hertz": 1, "lost": 0, "counts": {"dut": {"a": 1e999}}}',
        '{"hertz": 1, "lost": 0, "counts": {"dut": {"a": NaN}}}',
    ],
)
def test_hostile_stacks_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not encoded stacks"):
        Stacks.decode(stacks(text))


def test_the_deepest_stack_allowed_can_be_drawn_and_its_names_are_printable() -> None:
    deepest = ";".join(f"f{i}" for i in range(MAX_FRAMES))
    text = json.dumps({"hertz": 1, "lost": 0, "counts": {"dut": {deepest: 1, "a\0\ud800\x1b;b": 2**60}}})
    found = Stacks.decode(stacks(text))
    assert f">f{MAX_FRAMES - 1}: " in flame_svg("deep", Stacks({"dut": {deepest: 1}}))
    assert f"a{3 * chr(0xFFFD)};b" in found.counts["dut"]
    found.encode().encode()
