"""The generator against origins as people have them: every answer is counted for what it is.

One run of the generator visits all origins in turn, so that the table stays cheap.
"""

from typing import Any

import pytest

from tests.host_noise import in_windows
from tests.unit.workers.traffic.odd_origins import BODY, ORIGINS, running
from tests.unit.workers.traffic.traffic_rig import SANITIZED, load, target

SLICE_MS = 30
CONNECTIONS = 2
SWEEP_MS = 10
"""How often the generator looks after all connections."""

LOOPS = {"open": ("--open", "500"), "closed": ("--closed",)}


@pytest.fixture(scope="module")
def body(tmp_path_factory) -> str:
    """A file with the body that each origin means to send."""
    path = tmp_path_factory.mktemp("odd") / "body"
    path.write_bytes(BODY)
    return str(path)


@pytest.fixture(scope="module", params=LOOPS)
def visited(request, body: str) -> dict[str, dict[str, Any]]:
    """The generator's results by origin, in one kind of loop."""
    silent = {name for name, odd in ORIGINS.items() if "timeout" in odd.errors}
    found: dict[str, dict[str, Any]] = {}
    # The others have more time, since a busy machine lets them wait, too.
    for names, timeout_ms in ((ORIGINS.keys() - silent, 20_000), (silent, 30)):
        with running({name: odd for name, odd in ORIGINS.items() if name in names}) as ports:
            run = load(
                *("--workload", "http_keepalive", "--path", "/", "--check", f"file={body}", *LOOPS[request.param]),
                *("--connections", str(CONNECTIONS), "--slice-ms", str(SLICE_MS)),
                *("--duration-ms", str(SLICE_MS * len(ports)), "--timeout-ms", str(timeout_ms), "--drain-ms", "50"),
                *(word for name, port in ports.items() for word in ("--target", target(port, name))),
                name=SANITIZED,
            )
        found |= run.final["targets"]
    return found


@pytest.mark.parametrize("name", ORIGINS)
def test_an_odd_origin_is_counted_for_what_it_is(visited, name: str) -> None:
    odd, result = ORIGINS[name], visited[name]
    found = set(result["errors"])
    assert found - odd.may == odd.errors, result["errors"]
    assert result["sent"] == result["requests"] + sum(result["errors"].values()) + result["in_flight"]
    if odd.errors:
        assert result["requests"] == 0
    else:
        assert result["requests"] > 0
    if not result["errors"]:
        assert result["histograms"]["first_byte"]["count"] == result["requests"]
    assert bool(result["closed_idle"]) or not odd.closed_idle


@pytest.mark.parametrize("name", ["fin_with_every_answer", "fin_with_every_third"])
@pytest.mark.parametrize("loop", ["closed", "backlog"])
@in_windows
def test_a_closed_connection_is_opened_at_once_and_never_used_again(body: str, loop: str, name: str) -> None:
    """If it waited for the generator's next look, each connection would make one answer or three per look."""
    with running({name: ORIGINS[name]}) as ports:
        run = load(
            *("--workload", "http_keepalive", "--path", "/", "--check", f"file={body}", "--duration-ms", "300"),
            *("--closed",) * (loop == "closed"),
            *("--open", "20000") * (loop == "backlog"),
            *("--connections", "1", "--target", target(ports[name])),
            name=SANITIZED,
        )
    assert run.one["errors"] == {}
    assert (run.one["queued"] > 0) == (loop == "backlog")
    assert run.one["requests"] > 2 * (3 if name == "fin_with_every_third" else 1) * 300 / SWEEP_MS
