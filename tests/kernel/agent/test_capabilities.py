"""What this host can run, found out on the host itself."""

import gc
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from domain.service.jobs import HostCapabilities
from tests import ROOT
from tests.host_noise import windows
from workers.agent.capabilities import OWN_PROGRAMS, host_capabilities
from workers.inventory.features import probe_features

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]


def test_every_datapath_of_the_first_release_runs_here_and_nothing_is_left() -> None:
    gc.collect()  # else what earlier tests left to it would be closed in between
    descriptors = set(os.listdir("/proc/self/fd"))
    for window in windows():
        with window:
            started = time.monotonic()
            host = host_capabilities("h")
            assert time.monotonic() - started < 6
    assert {"direct", "tproxy", "ebpf_sk_assign", "ebpf_redirect"} <= {d.name for d in host.datapaths if d.available}
    assert all(d.function for d in host.datapaths)
    assert set(os.listdir("/proc/self/fd")) == descriptors
    assert host.fingerprint["cpus"] == str(len(os.sched_getaffinity(0)))
    assert host.fingerprint["version.haproxy"][0].isdigit()


def test_each_no_has_its_reason_and_remedy() -> None:
    features = probe_features(OWN_PROGRAMS)
    assert len({feature.name for feature in features}) == len(features)
    for feature in features:
        assert feature.present or (feature.reason.endswith(".") and feature.remedy), feature


def test_a_program_that_is_missing_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from workers.inventory import features

    monkeypatch.setitem(features.PROGRAMS, "no-such-program", "no-such-package")
    feature = next(f for f in probe_features(OWN_PROGRAMS) if f.name == "program.no-such-program")
    assert not feature.present
    assert "no-such-package" in feature.remedy


def test_without_root_it_still_answers() -> None:
    argv = [
        "setpriv",
        "--reuid",
        "65534",
        "--clear-groups",
        sys.executable,
        "-m",
        "workers.agent.capabilities",
        "h",
        "1",
    ]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, cwd=ROOT, check=False)
    if "Permission denied" in done.stderr or "No module named" in done.stderr:
        pytest.xfail("the checkout is not readable for other users")
    host = HostCapabilities.model_validate(json.loads(done.stdout))
    assert all(not datapath.available for datapath in host.datapaths)
    assert all(datapath.missing[0].startswith("root: ") for datapath in host.datapaths)
