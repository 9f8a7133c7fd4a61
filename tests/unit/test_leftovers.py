"""Directories and servers of killed test runs are removed; those of living runs, and what no test made, are not."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import ROOT
from tests.leftovers import Kind, Notes, sweep
from workers.lab.cleanup import start_of

RUN = """
import subprocess, sys, time
from pathlib import Path
from tests.leftovers import Notes

with Notes(Path(sys.argv[1])).directory("showdown-swept-") as directory:
    (directory / "data").mkdir()
    servers = [
        subprocess.Popen([sys.argv[2], "300"], cwd=directory / "data", stdout=subprocess.DEVNULL),
        subprocess.Popen([sys.argv[2], "300"], cwd="/", stdout=subprocess.DEVNULL),
    ]
    print(directory, *(one.pid for one in servers), flush=True)
    time.sleep(300)
"""
ENDED = f"{os.getpid()}-1.json"
"""The file of a process that had the same id as this one, and started with the machine."""


def test_what_a_killed_run_left_is_removed_and_what_a_living_one_has_is_not(tmp_path: Path) -> None:
    sleep = shutil.which("sleep")
    assert sleep is not None
    server = shutil.copy(sleep, tmp_path / "postgres")  # by its name it is a server
    argv = [sys.executable, "-c", RUN, str(tmp_path / "register"), server]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as run, ExitStack() as ends:
        ends.callback(run.kill)
        assert run.stdout is not None
        directory, within, elsewhere = run.stdout.readline().split()
        assert sweep(tmp_path / "register") == []
        assert Path(directory).is_dir()
    try:
        assert start_of(int(within)) is not None, "it has survived, or this test shows nothing"
        assert sweep(tmp_path / "register") == [f"process {within}", f"directory {directory}"]
        assert start_of(int(within)) is None
        assert not Path(directory).exists()
        assert start_of(int(elsewhere)) is not None
    finally:
        os.kill(int(elsewhere), 9)
    assert sweep(tmp_path / "register") == []
    assert list((tmp_path / "register").iterdir()) == []


def test_a_process_has_a_file_while_it_has_objects(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    with notes.directory("showdown-noted-") as directory, notes.noted(Kind.NAMESPACE, "sdtest-1"):
        (file,) = tmp_path.iterdir()
        assert json.loads(file.read_text()) == [["directory", str(directory)], ["namespace", "sdtest-1"]]
        assert sweep(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
    assert not directory.exists()


def test_a_process_does_not_note_the_objects_of_the_one_that_forked_it(tmp_path: Path) -> None:
    notes, seen = Notes(tmp_path), tmp_path / "seen"
    with notes.noted(Kind.NAMESPACE, "sdtest-1"):
        (ours,) = tmp_path.iterdir()
        if (child := os.fork()) == 0:
            with notes.noted(Kind.NAMESPACE, "sdtest-2"):
                seen.write_text("".join(one.read_text() for one in set(tmp_path.glob("*.json")) - {ours}))
            os._exit(0)
        os.waitpid(child, 0)
        assert json.loads(seen.read_text()) == [["namespace", "sdtest-2"]]
        assert json.loads(ours.read_text()) == [["namespace", "sdtest-1"]]
    assert list(tmp_path.iterdir()) == [seen]


def test_what_no_test_made_stays(tmp_path: Path) -> None:
    kept, linked = tmp_path / "kept", tmp_path / "showdown-linked"
    kept.mkdir()
    linked.symlink_to(kept)
    objects = [("directory", str(kept)), ("directory", str(linked)), ("namespace", "other"), ("device", "lo")]
    (tmp_path / ENDED).write_text(json.dumps(objects))
    assert sweep(tmp_path) == []
    assert kept.is_dir()
    assert not (tmp_path / ENDED).exists()


@pytest.mark.parametrize("text", ["", "[", '{"directory": 1}', '[["nothing", "known"]]'])
def test_a_file_that_a_killed_run_did_not_finish_is_dropped(text: str, tmp_path: Path) -> None:
    (tmp_path / ENDED).write_text(text)
    assert sweep(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_register_that_other_users_can_write_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(PermissionError, match="chmod 700"):
        sweep(tmp_path)
    assert sweep(tmp_path / "absent") == []
