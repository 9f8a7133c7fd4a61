"""The datapath tproxy_nginx: how it can be broken. Its other tests are those of test_datapath_proxied."""

from pathlib import Path

import pytest

from tests.kernel.bench import bench, new_tag
from tests.kernel.datapaths.faults import (
    BY_DEVICES,
    BY_PROXY,
    BY_RULES,
    NO,
    YES,
    Facts,
    Faults,
    Traits,
)
from workers.datapaths.base import DatapathError
from workers.datapaths.lib import nginx_stream
from workers.datapaths.tproxy_nginx import TproxyNginx
from workers.lab.cleanup import CleanupRegister
from workers.lab.lab import built
from workers.lab.spec import LabSpec

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

FAULTS: Faults = {
    **BY_PROXY,
    **BY_DEVICES,
    **BY_RULES,
}
FACTS = Facts(delivers_locally_by_mark=True)
# Its workers have the connections, not the process that was started. It keeps half-closed ones only with
# proxy_half_close, and who restarts it must hand it the listener again.
TRAITS: Traits = {
    "client_address": YES,
    "original_destination": YES,
    "half_close": NO,
    "large_bodies": YES,
    "proxy_restart": NO,
    "fails_closed": YES,
    "connection_state": YES,
    "l7_visible": YES,
}


def test_nginx_has_the_only_listener(tmp_path: Path) -> None:
    with bench(TproxyNginx(), tmp_path) as b:
        assert b.get() == 1
        assert b.in_dut("ss", "-Hlnt", "sport", "=", ":80").count("LISTEN") == 1
        next(p for p in b.lab.processes if p.task_role == "proxy").kill()
        assert b.in_dut("ss", "-Hlnt", "sport", "=", ":80") == ""


def test_an_nginx_that_does_not_start_leaves_nothing_attached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nginx_stream, "CONFIG", "this is no configuration\n")
    with built(LabSpec(new_tag(), "tproxy_nginx", 0), CleanupRegister(tmp_path)) as lab:
        with pytest.raises(DatapathError, match="nginx did not start"), TproxyNginx().attached(lab):
            pytest.fail("must not be attached")
        assert lab.processes == []
