"""A worker reports its host's matrix when it is new, and requests tests when the host is idle."""

from pathlib import Path

import pytest

from domain.trials.traits import Answer, TraitMatrix
from tests.unit.matrices import matrix, row
from workers.traits.matrix import file
from workers.traits.matrix.file import keep
from workers.traits.matrix.reporter import IDLE_ROUNDS, MatrixReporter


class Desk:
    """A coordinator and a worker, as MatrixReporter sees them."""

    def __init__(self, directory: Path, *, asks: bool = True) -> None:
        self.reported: list[TraitMatrix] = []
        self.requested = 0
        self.work = (0, 0)
        self.reporter = MatrixReporter(directory, self.report, lambda: self.work, self.request if asks else None)

    def report(self, found: TraitMatrix) -> None:
        self.reported.append(found)

    def request(self) -> None:
        self.requested += 1

    def rounds(self, count: int) -> None:
        for _ in range(count):
            self.reporter.round()


def test_a_matrix_is_reported_when_it_is_new_and_again_after_a_failure(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    keep(matrix(row("direct")), tmp_path)
    desk.rounds(3)
    assert len(desk.reported) == 1
    keep(matrix(row("direct", udp=(Answer.NO, "No more."))), tmp_path)
    report = desk.reporter.report

    def fail(_: TraitMatrix) -> None:
        raise OSError("away")

    desk.reporter.report = fail
    with pytest.raises(OSError, match="away"):
        desk.reporter.round()
    desk.reporter.report = report
    desk.rounds(2)
    assert [one.rows[0].findings["udp"].answer for one in desk.reported] == [Answer.YES, Answer.NO]


def test_an_idle_host_is_tested_once_and_a_busy_one_is_left_alone(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    for count in range(1, 6):  # a task each time
        desk.work = (count, 0)
        desk.rounds(1)
    desk.work = (5, 1)  # one that runs on
    desk.rounds(5)
    assert desk.requested == 0
    desk.work = (5, 0)
    desk.rounds(IDLE_ROUNDS + 1)
    assert desk.requested == 1
    desk.rounds(10)
    assert desk.requested == 1


def test_only_what_this_kernel_and_version_lack_is_tested_and_only_where_wanted(tmp_path: Path) -> None:
    made = file.made_by()
    keep(matrix(row("direct"), **made), tmp_path)
    settled = Desk(tmp_path)
    settled.rounds(10)
    assert settled.requested == 0
    keep(matrix(row("direct"), **(made | {"kernel": "another"})), tmp_path)
    for desk, asked in ((Desk(tmp_path), 1), (Desk(tmp_path, asks=False), 0)):
        desk.rounds(10)
        assert desk.requested == asked
