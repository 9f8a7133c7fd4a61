"""Expensive values are computed once per change, and histograms are decoded on first use."""

import gc
import json
import threading
from types import SimpleNamespace
from typing import Any
from weakref import WeakSet

import pytest
from hdrh.histogram import HdrHistogram
from pydantic import TypeAdapter, ValidationError

from coordinator.analysis.trials import cache as cache_module
from coordinator.analysis.trials.cache import VersionedCache
from coordinator.store.campaigns import reports
from domain.probes.stacks import Stacks
from domain.trials.histogram import LatencyHistogram
from domain.values.trusted import TRUSTED
from tests.unit.coordinator.coordinator_app import CoordinatorApp

HISTOGRAM = LatencyHistogram.of({12: 3, 1_000: 5, 123_456: 90, 7_654_321: 2})
STACKS = Stacks({"server": {"main;send_[k]": 30}}, hertz=997, lost=4)


def test_a_report_is_built_once_for_each_change(
    coordinator_app: CoordinatorApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[int] = []
    build_report = reports.build_report

    def counted(*read: Any) -> Any:
        built.append(1)
        return build_report(*read)

    monkeypatch.setattr(reports, "build_report", counted)
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=2)
    valid = []
    for _ in range(2):
        coordinator_app.run_block()
        found = [coordinator_app.get(f"campaigns/{campaign_id}/report").json for _ in range(3)]
        assert found[0] == found[1] == found[2]
        valid.append(found[0]["results"][0]["valid_trials"])
    assert valid == [1, 2]
    assert found[0]["campaign"]["state"] == "complete"
    assert len(built) == 2


def test_an_attempt_that_failed_changes_the_report(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=1)
    message = coordinator_app.last_sent()
    lease = coordinator_app.claim(message)
    assert coordinator_app.get(f"campaigns/{campaign_id}/report").json["failed_attempts"] == []
    coordinator_app.call("report", message, {"lease": lease, "failure": "the lab could not be built"})
    (failed,) = coordinator_app.get(f"campaigns/{campaign_id}/report").json["failed_attempts"]
    assert failed["reason"] == "the lab could not be built"


def test_memory_forgets_the_oldest_and_keeps_no_failure() -> None:
    cache: VersionedCache[int] = VersionedCache(2)
    assert [cache.get(name, 1, lambda n=number: n) for number, name in enumerate("aba")] == [0, 1, 0]
    assert cache.get("c", 1, lambda: 3) == 3
    assert cache.get("b", 1, lambda: 4) == 4  # evicted, because "a" was used after it
    with pytest.raises(ZeroDivisionError):
        cache.get("b", 2, lambda: 1 // 0)
    assert cache.get("b", 2, lambda: 5) == 5


class Tracked:
    """A lock that can be counted while something refers to it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        ALIVE.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


ALIVE: WeakSet[Tracked] = WeakSet()


def test_names_without_a_value_leave_no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "threading", SimpleNamespace(Lock=Tracked))
    cache: VersionedCache[int] = VersionedCache(2)
    assert cache.get("known", 1, lambda: 1) == 1
    before = len(ALIVE)
    for number in range(100):
        with pytest.raises(ZeroDivisionError):
            cache.get(f"invented {number}", 1, lambda: 1 // 0)
    gc.collect()
    assert len(ALIVE) == before
    with pytest.raises(ZeroDivisionError):
        cache.get("known", 2, lambda: 1 // 0)
    assert cache.get("known", 1, lambda: 2) == 1, "what was known still is"


def test_two_callers_at_once_wait_for_one_computation() -> None:
    cache: VersionedCache[int] = VersionedCache(2)
    made, begun, go_on = [], threading.Event(), threading.Event()

    def make() -> int:
        made.append(1)
        begun.set()
        assert go_on.wait(10)
        return 7

    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(cache.get("a", 1, make))) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert begun.wait(10)
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert (found, made) == ([7, 7], [1])


def test_a_histogram_reads_as_the_library_reads_it() -> None:
    library = HdrHistogram.decode(HISTOGRAM.encode())
    assert HISTOGRAM.mean_ns == pytest.approx(library.get_mean_value(), rel=1e-12)
    for percentile in (0, 0.1, 3, 50, 98, 98.1, 99.9, 100):
        assert HISTOGRAM.percentile_ns(percentile) == library.get_value_at_percentile(percentile)
    HISTOGRAM.record(10**10)
    assert HISTOGRAM.mean_ns == pytest.approx(HdrHistogram.decode(HISTOGRAM.encode()).get_mean_value(), rel=1e-12)
    assert (LatencyHistogram().mean_ns, LatencyHistogram().percentile_ns(50)) == (None, None)


@pytest.mark.parametrize("value", [HISTOGRAM, STACKS], ids=["histogram", "stacks"])
def test_what_was_kept_is_decoded_when_asked_and_what_comes_from_outside_at_once(value: Any) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(type(value))
    text = adapter.dump_json(value)
    kept = adapter.validate_json(text, context=TRUSTED)
    assert kept == value
    assert adapter.dump_json(kept) == text
    for context in (None, dict(TRUSTED)):
        with pytest.raises(ValidationError, match="not "):
            adapter.validate_json(json.dumps("garbage"), context=context)
    garbage = adapter.validate_json(json.dumps("garbage"), context=TRUSTED)  # nothing has read it yet
    with pytest.raises(Exception, match=r"[Pp]adding|not "):
        assert garbage == value
