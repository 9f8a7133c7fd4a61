"""The generator reports the slowest request of each millisecond, from which episodes are counted."""

from itertools import pairwise

from domain.trials.episodes import LADDER_NS, MARKS, episodes_of, merged_steps
from domain.trials.histogram import LatencyHistogram
from tests.host_noise import in_windows
from tests.unit.workers.traffic.traffic_rig import good, origin, target
from workers.traffic.base import SliceTraffic, TargetTraffic
from workers.traffic.merge import merged

MS = 1_000_000
STALL_MS, EVERY_MS, STALLS = 60, 300, 4


@in_windows
def test_each_stall_of_the_origin_is_one_episode() -> None:
    rate, duration_ms = 2000, EVERY_MS * STALLS
    with origin("--stall-ms", str(STALL_MS), "--stall-every-ms", str(EVERY_MS)) as server:
        run = good(
            *("--workload", "http_keepalive", "--open", str(rate), "--arrival", "poisson", "--warm-up-ms", "100"),
            *("--connections", "64", "--duration-ms", str(duration_ms), "--target", target(server.ports["http"])),
        )
    warm_up, piece = run.final["slices"]
    assert "slow" not in warm_up
    steps = piece["slow"]
    assert len(steps) == duration_ms
    episodes = episodes_of([steps])
    assert episodes is not None
    # The first or the last stall may begin before the slice or end after it.
    assert STALLS <= episodes.beyond(30 * MS) <= STALLS + 1
    late = [step for step, mark in enumerate(steps) if mark > MARKS[0] and LADDER_NS[MARKS.index(mark) - 1] > 30 * MS]
    apart = [later - step for step, later in pairwise(late) if later - step > 100]
    assert len(apart) in (STALLS - 1, STALLS)
    latency = LatencyHistogram.decode(run.one["histograms"]["latency"]["hdr"])
    assert latency.counts_over([30 * MS])[0] > 50 * STALLS, "many requests, few episodes"


@in_windows
def test_what_was_never_sent_or_answered_is_slow_in_the_step_in_which_it_was_due() -> None:
    """One connection, and an origin that needs four times the time between two requests."""
    with origin("--service-us", "40000") as server:
        run = good(
            *("--workload", "http_keepalive", "--open", "100", "--connections", "1", "--duration-ms", "500"),
            *("--drain-ms", "50", "--timeout-ms", "5000", "--target", target(server.ports["http"])),
        )
    (piece,) = run.final["slices"]
    due = piece["sent"] + piece["unsent"]
    assert piece["unsent"] > 0
    assert len([mark for mark in piece["slow"] if mark != MARKS[0]]) == due == 50
    slowest = LADDER_NS[MARKS.index(max(piece["slow"])) - 1]
    assert slowest > 200 * MS


def test_a_closed_loop_has_no_intended_sends_and_reports_none() -> None:
    with origin() as server:
        run = good(
            *("--workload", "http_keepalive", "--closed", "--connections", "4", "--duration-ms", "200"),
            *("--target", target(server.ports["http"])),
        )
    assert all("slow" not in piece for piece in run.final["slices"])


def test_clients_that_load_a_target_together_share_its_steps() -> None:
    def traffic(slow: str | None) -> TargetTraffic:
        return TargetTraffic(slices=(SliceTraffic(1.0, 0.003, 10, 10, slow=slow),), connections=1)

    both = merged({"client 1 of 2": traffic("A0B"), "client 2 of 2": traffic("0A0")})
    assert both.slices[0].slow == merged_steps(["A0B", "0A0"]) == "AAB"
    assert merged({"client 1 of 2": traffic("A0B"), "client 2 of 2": traffic(None)}).slices[0].slow is None
