"""A window is repeated because of host noise, and for no other cause."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests import host_noise
from tests.host_noise import Limits, Noise, Reading, between, reading, windows

PF_KTHREAD = 0x00200000  # include/linux/sched.h
QUIET = ((0.0, 0.0), (0.0, 0.05))  # (steal, foreign) shares of a window
STOLEN, FOREIGN = (0.5, 0.0), (0.0, 0.5)


def readings(noise: Iterable[tuple[float, float]]) -> Iterator[Reading]:
    """Two readings for each window: one second on two CPUs, of which the test itself takes half a second."""
    time_s = busy_s = steal_s = own_s = 100.0
    for steal, foreign in noise:
        yield Reading(time_s, 2, busy_s, steal_s, own_s)
        time_s, own_s, steal_s = time_s + 1, own_s + 0.5, steal_s + 2 * steal
        busy_s += 0.5 + 2 * foreign
        yield Reading(time_s, 2, busy_s, steal_s, own_s)


def attempts(
    outcomes: Iterable[bool], noise: Iterable[tuple[float, float]], notes: list[str] | None = None, most: int = 5
) -> int:
    """How many windows were opened for these outcomes of the assertion."""
    opened, left, source = 0, iter(outcomes), readings(noise)
    kept = [] if notes is None else notes
    for window in windows(most, read=lambda: next(source), pause=lambda _: None, note=kept.append):
        opened += 1
        with window:
            assert next(left), "too slow"
    return opened


@pytest.mark.parametrize("noise", [*QUIET, STOLEN])
def test_one_window_is_enough_if_the_assertion_holds(noise: tuple[float, float]) -> None:
    notes: list[str] = []
    assert attempts([True], [noise], notes) == 1
    assert notes == []


@pytest.mark.parametrize("noise", QUIET)
def test_a_failure_on_a_quiet_host_counts_at_once(noise: tuple[float, float]) -> None:
    notes: list[str] = []
    with pytest.raises(AssertionError, match="too slow"):
        attempts([False, True], [noise, noise], notes)
    assert notes == []


@pytest.mark.parametrize(
    ("noise", "reason"),
    [(STOLEN, "the hypervisor took 50% of the CPU time"), (FOREIGN, "other programs took 50% of the CPU time")],
)
def test_a_failure_on_a_noisy_host_repeats_its_window_and_says_why(
    noise: tuple[float, float], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    notes: list[str] = []
    assert attempts([False, False, True], [noise] * 3, notes) == 3
    assert [text[:11] for text in notes] == ["window 1 of", "window 2 of"]
    assert reason in notes[0]
    assert f"{reason} (limit" in capsys.readouterr().out


def test_a_quiet_window_after_a_noisy_one_is_the_last() -> None:
    notes: list[str] = []
    with pytest.raises(AssertionError, match="too slow"):
        attempts([False, False, True], [STOLEN, QUIET[0], QUIET[0]], notes)
    assert len(notes) == 1


def test_repeats_are_bounded_and_the_failure_names_the_noise() -> None:
    with pytest.raises(AssertionError, match="too slow") as failed:
        attempts([False] * 3, [FOREIGN] * 3, most=3)
    assert failed.value.__notes__[0].startswith("Host noise in each of 3 windows; in the last one other programs took")


def test_no_other_error_is_repeated() -> None:
    opened, source = 0, readings([STOLEN] * 2)
    with pytest.raises(ValueError, match="broken"):  # noqa: PT012
        for window in windows(read=lambda: next(source), pause=lambda _: None):
            opened += 1
            with window:
                raise ValueError("broken")
    assert opened == 1


def test_a_whole_test_can_be_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    notes, source, seen = list[str](), readings([STOLEN] * 2), list[int]()
    fake = partial(windows, read=lambda: next(source), pause=lambda _: None, note=notes.append)
    monkeypatch.setattr(host_noise, "windows", fake)

    @host_noise.in_windows
    def measures(number: int) -> None:
        """Has its own words."""
        seen.append(number)
        assert len(seen) == 2

    measures(number=7)
    assert (seen, len(notes)) == ([7, 7], 1)
    assert measures.__doc__ == "Has its own words."


def test_pauses_grow_and_none_follows_the_last_window() -> None:
    pauses: list[float] = []
    source = readings([STOLEN] * 3)
    for number, window in enumerate(windows(read=lambda: next(source), pause=pauses.append, note=len)):
        with window:
            assert number == 2
    assert pauses == [0.5, 1.0]


def test_limits_can_be_stricter() -> None:
    noise = Noise(steal=0.01, foreign=0.05)
    assert Limits().exceeded(noise) == ""
    assert "limit 0%" in Limits(steal=0.004).exceeded(noise)
    assert " and " in Limits(steal=0.004, foreign=0.01).exceeded(noise)


def test_less_than_two_ticks_is_no_noise() -> None:
    before, after = Reading(0.0, 1, 0.0, 0.0, 0.0), Reading(0.05, 1, 0.01, 0.01, 0.0)
    assert between(before, after) == Noise(0.0, 0.0)
    assert between(before, before) == Noise(0.0, 0.0)


def spin_s(seconds: float) -> str:
    return f"import time\nb = time.process_time()\nwhile time.process_time() - b < {seconds}: pass"


def test_the_test_and_what_it_starts_are_no_noise() -> None:
    """The same CPU time in this process, in a child that has ended and in one that lives."""
    before = reading()
    subprocess.run([sys.executable, "-c", spin_s(0.3)], check=True)
    living = f"{spin_s(0.3)}\nprint('done', flush=True)\nimport sys\nsys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", living], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "done\n"
        begun = time.process_time()
        while time.process_time() - begun < 0.3:
            pass
        after = reading()
        child.communicate()
    assert after.cpus == os.cpu_count()
    assert after.own_s - before.own_s >= 0.85
    assert after.busy_s - before.busy_s >= 0.85


@pytest.mark.parametrize("busy_s", [7, 4])  # in ticks; the kernel may sample less than tasks used
def test_a_stranger_and_the_hypervisor_are_noise(busy_s: int, tmp_path: Path) -> None:
    """The same files with our figures: 4 s for others, 1 s stolen."""

    def write(busy: int, steal: int, ours: int, kernels: int, strangers: int) -> None:
        (tmp_path / "stat").write_text(f"cpu {busy} 0 0 900 0 0 0 {steal} 0 0\ncpu0 {busy} 0 0\nintr 1\n")
        for pid, parent, flags, ticks in (
            (os.getpid(), 1, 0, ours), (2, 0, PF_KTHREAD, kernels), (77, 1, 0, strangers),
            (3 if not steal else 4, 2, PF_KTHREAD, 0 if steal else 900),
        ):  # fmt: skip
            (tmp_path / str(pid)).mkdir(exist_ok=True)
            (tmp_path / str(pid) / "stat").write_text(
                f"{pid} (a) b) S {parent} 0 0 0 0 {flags} 0 0 0 0 {ticks} 0 0 0 0 0 0 0 5"
            )

    write(1000, 0, 100, 50, 500)
    before = reading(tmp_path)
    shutil.rmtree(tmp_path / "3")  # a kernel thread ends, and its time with it
    write(1000 + 100 * busy_s, 100, 300, 150, 900)
    after = reading(tmp_path)
    assert after.cpus == 1
    assert after.busy_s - before.busy_s == pytest.approx(busy_s)
    assert after.own_s - before.own_s == pytest.approx(2)
    noise = between(before, replace(after, time_s=before.time_s + 10))
    assert (noise.steal, noise.foreign) == (pytest.approx(0.1), pytest.approx(0.4))
