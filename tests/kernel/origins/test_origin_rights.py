"""The origin reads foreign bytes: no process of nginx is root, and none keeps more than its port needs."""

from pathlib import Path

import pytest

from tests.kernel.bench import new_tag
from tests.kernel.origins.test_origin_addresses import answers
from workers.lab import unprivileged
from workers.lab.cleanup import CleanupRegister
from workers.lab.lab import built
from workers.lab.spec import LabSpec
from workers.origins.nginx import NginxOrigin

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

NET_BIND_SERVICE = 1 << 10


def test_no_process_of_nginx_is_root(tmp_path: Path) -> None:
    with built(LabSpec(new_tag(), "direct", 0), CleanupRegister(tmp_path)) as lab:
        origin = NginxOrigin(lab, b"hello")
        origin.start()
        assert answers(lab, lab.server_address)
        processes = lab.processes[-1].tasks()
        assert len(processes) >= 2, "a master and its workers"
        for pid in processes:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
            assert set(status["Uid"].split() + status["Gid"].split()) == {str(unprivileged.UID)}
            assert {int(status[kind], 16) for kind in ("CapPrm", "CapBnd", "CapAmb")} == {NET_BIND_SERVICE}
        assert not (lab.run_dir / "nginx" / "nginx.log").read_text()
