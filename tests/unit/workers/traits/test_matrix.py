"""The matrix of traits: collected whatever breaks, kept, and shown as it was found."""

import errno
import logging
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pydantic import ValidationError
from rich.console import Console

from domain.service.jobs import Feature, HostCapabilities
from domain.trials.traits import MAX_EVIDENCE, Answer, TraitMatrix
from tests import ROOT
from tests.unit.matrices import TRAITS, matrix, row
from workers.agent import matrix_cli
from workers.datapaths._fake import FakeDatapath
from workers.datapaths.base import EVERY_LAB_REQUIRES, DatapathError
from workers.lab.lab import LabError
from workers.traits._fake import FakeBench, FakeTrait
from workers.traits._rig import Rig
from workers.traits.base import no, yes
from workers.traits.ipv6 import Ipv6
from workers.traits.matrix import file
from workers.traits.matrix import run as matrix_module
from workers.traits.matrix.file import keep, kept
from workers.traits.matrix.run import MatrixRun
from workers.traits.matrix.table import evidence_table, markdown, terminal_table, with_matrix

DATA = ROOT / "tests" / "data"
HOST = HostCapabilities(host="h1", features=tuple(Feature(name=name, present=True) for name in EVERY_LAB_REQUIRES))
WITHOUT_ROOT = HostCapabilities(host="h1", features=(Feature(name="root", present=False, reason="Not root."),))


def collecting(*traits: FakeTrait, datapaths: tuple[str, ...] = ("b", "a")) -> tuple[MatrixRun, list[FakeBench]]:
    benches: list[FakeBench] = []

    def bench(datapath: Any) -> FakeBench:
        benches.append(FakeBench(datapath))
        return benches[-1]

    chosen = {name: FakeDatapath(name=name) for name in datapaths}
    return MatrixRun(chosen, {trait.name: trait for trait in traits}, bench), benches


def test_every_trait_of_every_datapath_is_asked_and_a_broken_test_is_an_error() -> None:
    broken = FakeTrait("udp", OSError("the wire is cut"))
    what, benches = collecting(FakeTrait("client_address", yes("Seen.")), broken, FakeTrait("l7", no("Not seen.")))
    progress: list[str] = []
    found = what.run(HOST, progress.append)
    assert progress == ["b", "a"]
    assert [r.datapath for r in found.rows] == ["a", "b"]
    for one in found.rows:
        assert {name: f.answer for name, f in one.findings.items()} == {
            "client_address": Answer.YES, "udp": Answer.ERROR, "l7": Answer.NO,
        }  # fmt: skip
        assert one.findings["udp"].evidence == "the wire is cut"
    assert [(b.renewed, b.left) for b in benches] == [(1, True), (1, True)]
    assert (found.host, found.kernel, found.version) == ("h1", file.made_by()["kernel"], "0.1.0")


def test_a_datapath_that_the_host_lacks_something_for_is_not_run_and_says_why() -> None:
    trait = FakeTrait("udp", yes("Seen."))
    what, benches = collecting(trait)
    found = what.run(WITHOUT_ROOT)
    assert {f.answer for r in found.rows for f in r.findings.values()} == {Answer.NOT_RUN}
    assert found.rows[0].findings["udp"].evidence == "root: Not root."
    assert trait.asked == [] == benches


def test_a_datapath_that_carries_neither_plain_tcp_nor_http_is_not_asked() -> None:
    class OnlyH2(FakeDatapath):
        services = frozenset({"h2"})

    trait = FakeTrait("half_close", yes("Seen."))
    what, benches = collecting(trait)
    found = MatrixRun({"translator": OnlyH2(name="translator")}, what.traits, what.bench).run(HOST)
    (finding,) = found.rows[0].findings.values()
    assert (finding.answer, trait.asked, benches) == (Answer.NOT_APPLICABLE, [], [])
    assert finding.evidence == "It carries h2 only; these tests converse over TCP or HTTP."


class NoIpv6(FakeBench):
    """Where a lab of IPv6 is asked for, ``trouble`` comes."""

    trouble: Exception = DatapathError("no such address")

    def fresh(self, ip_version: int = 4) -> AbstractContextManager[Rig]:
        assert ip_version == 6
        raise self.trouble


def test_a_datapath_that_fails_in_an_ipv6_lab_lacks_ipv6_and_a_failed_lab_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = NoIpv6(FakeDatapath())
    assert Ipv6().check(bench) == no("In an IPv6 lab: no such address.")
    bench.trouble = LabError("no namespace")
    with pytest.raises(LabError, match="no namespace"):
        Ipv6().check(bench)
    monkeypatch.setattr("workers.lab.sysctls.versions", lambda: (4,))
    assert Ipv6().check(bench).answer is Answer.NOT_RUN


def test_evidence_is_one_line_and_bounded() -> None:
    assert no("a\n  b").evidence == "a b"
    assert len(yes("x" * 5000).evidence) == MAX_EVIDENCE
    assert yes("").evidence


def test_a_matrix_is_complete_or_none() -> None:
    with pytest.raises(ValidationError, match="direct must have one finding for each of client_address, udp"):
        matrix(row("direct").model_copy(update={"findings": {}}), traits=TRAITS)
    with pytest.raises(ValidationError, match="name each datapath once"):
        matrix(row("direct"), row("direct"))
    with pytest.raises(ValidationError, match="schema_version"):
        matrix(row("direct"), schema_version=2)


def test_a_matrix_of_version_1_still_loads() -> None:
    found = TraitMatrix.model_validate_json((DATA / "trait_matrix_v1.json").read_text())
    assert {finding.answer for one in found.rows for finding in one.findings.values()} == set(Answer)
    assert found.duration_s == 7.5


def test_a_part_joins_what_was_found_before_by_the_same(tmp_path: Path) -> None:
    assert kept(tmp_path) is None
    old = (Answer.NO, "Of old.")
    keep(matrix(row("tproxy", "steer"), row("direct", udp=old)), tmp_path)
    whole = keep(matrix(row("direct")), tmp_path)
    assert whole == kept(tmp_path)
    assert [r.datapath for r in whole.rows] == ["direct", "tproxy"]
    assert whole.rows[0].findings["udp"].answer is Answer.YES
    for change in ({"kernel": "7.0"}, {"commit": "def"}):
        assert len(keep(matrix(row("direct"), **change), tmp_path).rows) == 1


def test_a_file_that_is_not_understood_is_no_matrix(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / file.FILE).write_text('{"schema_version": 99}')
    with caplog.at_level(logging.WARNING):
        assert kept(tmp_path) is None
    assert "schema_version" in caplog.text
    assert len(keep(matrix(row("direct")), tmp_path).rows) == 1


def test_a_disk_that_is_full_does_not_keep_a_matrix_from_being_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = keep(matrix(row("tproxy", "steer")), tmp_path)

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    assert len(keep(matrix(row("direct")), tmp_path).rows) == 2
    assert kept(tmp_path) == before
    assert "No space left" in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == [file.FILE]


def test_the_tables_show_each_answer_and_the_evidence() -> None:
    found = matrix(
        row("direct", udp=(Answer.NOT_APPLICABLE, "Why not.")),
        row("tproxy", "steer", client_address=(Answer.NO, "It saw [another]."), udp=(Answer.ERROR, "It broke.")),
    )
    console = Console(width=120, record=True)
    console.print(terminal_table(found), evidence_table(found))
    text = console.export_text()
    table = [line.split() for line in text.splitlines()]
    assert table.index(["forward"]) < table.index(["direct", "yes", "n/a"]) < table.index(["steer"])
    assert table.index(["steer"]) < table.index(["tproxy", "no", "error"])
    assert "It saw [another]." in text
    lines = markdown(found).splitlines()
    assert lines[0] == "| datapath | client address kept | UDP |"
    assert lines[2:4] == ["| `direct` | yes | n/a |", "| `tproxy` | no | error |"]
    assert "- *UDP*: A datagram goes and comes back." in lines
    assert "Found on Linux 6.18.0, 1970-01-04, by Showdown 0.1.0 (abc) in 5 s. What is tested:" in lines
    assert lines[-1] == "- `tproxy`, UDP: It broke."


def test_the_readme_has_one_place_for_it() -> None:
    readme = Path(matrix_cli.TRAITS_PAGE).read_text()
    written = with_matrix(readme, matrix(row("direct")))
    assert "| `direct` | yes | yes |" in written
    assert with_matrix(written, matrix(row("direct"))) == written
    assert written.split("<!-- matrix")[0] == readme.split("<!-- matrix")[0]
    with pytest.raises(ValueError, match="no place for the matrix"):
        with_matrix("nothing here", matrix())


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """The command line, on this host's datapaths but for their tests."""
    monkeypatch.setenv("SHOWDOWN_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("SHOWDOWN_HOST", "h1")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(
        "workers.agent.capabilities.host_capabilities", lambda host: HOST.model_copy(update={"host": host})
    )
    monkeypatch.setattr("workers.lab.cleanup.REGISTER_DIR", tmp_path / "register")
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{matrix_cli_marks()}\nafter\n")
    monkeypatch.setattr(matrix_cli, "TRAITS_PAGE", readme)

    def run(*arguments: str, answer: Any = None) -> Any:
        what, _ = collecting(FakeTrait("udp", answer or yes("Seen.")), datapaths=("direct",))
        installed = MatrixRun.installed

        def instead(register: Any, names: Any = ()) -> MatrixRun:
            installed(register, names)
            return what

        monkeypatch.setattr(matrix_module.MatrixRun, "installed", instead)
        try:
            return CliRunner().invoke(matrix_cli.matrix, list(arguments))
        finally:
            monkeypatch.setattr(matrix_module.MatrixRun, "installed", installed)

    return run


def matrix_cli_marks() -> str:
    from workers.traits.matrix.table import BEGIN, END

    return f"{BEGIN}{END}"


def test_the_command_prints_keeps_and_writes(command: Callable[..., Any], tmp_path: Path) -> None:
    done = command("--write-docs", "--evidence")
    assert done.exit_code == 0, done.output
    assert "direct" in done.stdout
    assert "Seen." in done.stdout
    assert "| `direct` | yes |" in (tmp_path / "README.md").read_text()
    stored = kept(tmp_path / "state" / "workers" / "h1")
    assert stored is not None
    printed = TraitMatrix.model_validate_json(command("--json").stdout)
    assert printed.rows == stored.rows


def test_the_command_says_what_is_wrong(command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    done = command("--datapath", "nosuch")
    assert done.exit_code == 2
    assert "no datapath 'nosuch'; known: direct" in done.output
    assert command(answer=OSError("cut")).exit_code == 1
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    done = command()
    assert done.exit_code == 1
    assert "needs root" in done.output
