"""Namespaces, devices and labs of a killed test run are removed at the start of the next run."""

import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import ROOT
from tests.kernel.bench import PATIENCE_S, HeldNamespaces, new_tag
from tests.leftovers import sweep
from workers.lab import netns

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

RUN = """
import os, subprocess, sys, time
from pathlib import Path
from tests.leftovers import Kind, Notes
from workers.lab import netns
from workers.lab.cleanup import CleanupRegister

notes, directory, lab = Notes(Path(sys.argv[1])), Path(sys.argv[2]), sys.argv[3]
name, near, far = f"sdtest-{os.getpid()}", f"sdt{os.getpid()}a", f"sdt{os.getpid()}b"
with notes.noted(Kind.RUN, str(directory)), notes.noted(Kind.NAMESPACE, name), notes.noted(Kind.DEVICE, near):
    CleanupRegister(directory / "test_it0" / "register").add_netns(lab[3:9], lab)
    netns.create(lab)
    netns.create(name)
    subprocess.run(["ip", "link", "add", near, "type", "veth", "peer", "name", far, "netns", name], check=True)
    user = subprocess.Popen(["nsenter", f"--net={netns.path(name)}", "sleep", "300"], stdout=subprocess.DEVNULL)
    while os.readlink(f"/proc/{user.pid}/ns/net") != f"net:[{netns.inode(name)}]":
        time.sleep(0.005)
    print(name, near, user.pid, flush=True)
    time.sleep(300)
"""


def test_all_kernel_objects_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    register, lab = tmp_path / "register", f"sd-{new_tag()}-0direct-dut"
    argv = [sys.executable, "-c", RUN, str(register), str(tmp_path / "run"), lab]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as run, ExitStack() as ends:
        ends.callback(run.kill)
        assert run.stdout is not None
        name, near, user = run.stdout.readline().split()
        assert sweep(register) == []
        assert netns.names(lab) == [lab]
        held = HeldNamespaces(name)  # otherwise the device ends with its peer's namespace
    removed = sweep(register)
    held.close()
    assert removed == [f"namespace {lab}", f"process {user}", f"namespace {name}", f"device {near}"]
    assert netns.names(lab) == netns.names(name) == []
    deadline = time.monotonic() + PATIENCE_S
    while Path("/sys/class/net", near).exists():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert sweep(register) == []
