"""Following a campaign to its end: retries, and plain lines without a terminal."""

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from deploy.cli.errors import CommandError, Unreachable
from deploy.cli.shown.progress import POLL_S, UNREACHABLE_AFTER_S, Display, follow
from deploy.cli.shown.trouble import TROUBLE_AFTER_S
from domain.service.trouble import Part, Readiness, Trouble

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def view(state="running", done=0, cell=None, left_s=None):
    return {
        "state": state,
        "blocks_done": done,
        "blocks_total": 18,
        "progress": {"cell": cell, "left_s": left_s},
    }


CELL = {"datapath": "tproxy", "workload": "http_keepalive", "level": "low"}


class Coordinator:
    """Answers with the given values, one by one."""

    def __init__(self, *answers):
        self.answers = list(answers)

        self.troubles = lambda: ()

    def readiness(self):
        return Readiness(checked_at=NOW, troubles=self.troubles())

    def campaign(self, campaign_id):
        assert campaign_id == "k3f9x2ab"
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Clock:
    """A clock that only sleeping moves."""

    now_s = 0.0

    def __call__(self):
        return self.now_s

    def sleep(self, seconds):
        self.now_s += seconds


def followed(*answers, terminal=False, **options):
    out, clock = io.StringIO(), Clock()
    with Display(Console(file=out, width=120, force_terminal=terminal)) as display:
        state = follow(Coordinator(*answers), "k3f9x2ab", display, sleep=clock.sleep, clock=clock, **options)
    return state, out.getvalue(), clock


def test_plain_lines_name_block_cell_and_time_left_and_do_not_repeat():
    state, text, _ = followed(
        view("queued"),
        view(done=2, cell=CELL, left_s=125.4),
        view(done=2, cell={**CELL, "datapath": "direct"}, left_s=124.4),
        view(done=3, cell=CELL, left_s=100),  # still the second tenth
        view(done=4, cell={**CELL, "level": "high"}, left_s=12),
        view("complete", done=18),
    )
    assert state == "complete"
    assert text.splitlines() == [
        "queued: block 0 of 18 done",
        "running: block 2 of 18 done, now http_keepalive at low, about 2 min 05 s left",
        "running: block 4 of 18 done, now http_keepalive at high, about 12 s left",
        "complete: block 18 of 18 done",
    ]


def test_a_terminal_gets_a_bar():
    _, text, _ = followed(view(done=7, cell=CELL, left_s=30), view("complete", done=18), terminal=True)
    assert "7 of 18" in text or "18 of 18" in text
    assert "\x1b[" in text


@pytest.mark.parametrize("state", ["complete", "failed", "cancelled"])
def test_it_ends_with_the_campaign_and_not_before(state):
    ended, _, clock = followed(view("queued"), view("running"), view("cancelling"), view(state))
    assert ended == state
    assert clock.now_s == 3 * POLL_S


def test_a_coordinator_that_is_away_for_a_moment_is_waited_for():
    assert followed(view(), *[Unreachable("away")] * 10, view("complete"))[0] == "complete"


def test_patience_ends():
    clock = Clock()
    with Display(Console(file=io.StringIO())) as display, pytest.raises(Unreachable):
        follow(Coordinator(view(), Unreachable("gone")), "k3f9x2ab", display, sleep=clock.sleep, clock=clock)
    assert UNREACHABLE_AFTER_S < clock.now_s < UNREACHABLE_AFTER_S + 5


def test_each_look_is_preceded_by_a_look_at_the_stack():
    looks = []
    followed(view(), view(), view("complete"), each_time=lambda: looks.append(1))
    assert len(looks) == 3


def test_enough_is_enough():
    assert followed(view("cancelling"), until=lambda: True)[0] == "cancelling"


def test_a_calibration_is_called_so():
    _, text, _ = followed(view(cell=CELL | {"level": "calibration"}), view("complete", done=18))
    assert "now http_keepalive, calibration" in text


def trouble(part):
    return Trouble(
        part=part, stops_work=part is not Part.TELEMETRY, what=f"The {part} is away", since=NOW, remedy="Start it."
    )


def test_a_trouble_is_said_once_when_it_begins_and_when_it_has_ended():
    out, clock = io.StringIO(), Clock()
    coordinator = Coordinator(*[view("queued")] * 60, view("complete"))
    coordinator.troubles = lambda: (trouble(Part.TELEMETRY),) if 10 <= clock.now_s < 30 else ()
    with Display(Console(file=out, width=120)) as display:
        follow(coordinator, "k3f9x2ab", display, sleep=clock.sleep, clock=clock)
    assert out.getvalue().count("The telemetry is away since 2026-01-01 00:00:00 UTC. Start it.") == 1
    assert out.getvalue().count("The telemetry works again") == 1


def test_nobody_waits_for_ever_for_a_campaign_that_cannot_go_on():
    out, clock = io.StringIO(), Clock()
    coordinator = Coordinator(view("queued"))
    coordinator.troubles = lambda: (trouble(Part.DISK),)
    with (
        Display(Console(file=out, width=120)) as display,
        pytest.raises(CommandError, match="gave up waiting: The disk is away"),
    ):
        follow(coordinator, "k3f9x2ab", display, sleep=clock.sleep, clock=clock)
    assert TROUBLE_AFTER_S <= clock.now_s < 2 * TROUBLE_AFTER_S
