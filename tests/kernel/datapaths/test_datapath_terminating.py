"""Every datapath whose proxy terminates TLS, on the real kernel, whole and broken on purpose."""

import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from domain.loads.load import ClosedLoad
from domain.trials.trial import Reason
from tests.calm import calm_origins
from tests.host_noise import in_windows
from tests.kernel.bench import bench
from tests.kernel.datapaths.declared import FACTS, of_function
from tests.kernel.runner.test_block import reasons
from tests.kernel.traffic.test_workload_traffic import measure
from tests.variants import DATAPATHS
from workers.datapaths.lib import haproxy, termination
from workers.lab import certificates, netns, unprivileged
from workers.traffic.base import GeneratorPlan, Interval, Schedule, Target, TargetTraffic
from workers.traffic.showdown_traffic import ShowdownTraffic

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

NAMES = tuple(of_function("terminate"))
EVERY = pytest.mark.parametrize("name", NAMES)
FULL = "TLSv1.3 TLS_AES_256_GCM_SHA384"
CONNECTIONS = 4
PLAIN = haproxy.Proxying()
EXPECTED = {
    "http_keepalive": {f"{FULL} http/1.1"},
    "https_churn": {f"{FULL} http/1.1", f"{FULL} http/1.1 resumed"},
    "h2": {f"{FULL} h2"},
}


@EVERY
@pytest.mark.parametrize("ip_version", [4, 6])
def test_it_decrypts_counts_and_shows_the_address_that_it_promises(name: str, ip_version: int, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path, ip_version=ip_version) as b:
        assert b.get(20) == 20
        assert b.get(5) == 5
        counters = b.counters_with(25 * len("HTTP/1.1 200 OK\r\n\r\nhello"))
        assert counters.handshakes == {FULL: 2}
        assert counters.connections == 2
        assert (counters.leaked_packets, counters.dropped_packets) == (0, 0)
        expected = b.lab.client_address if FACTS[name].keeps_client else b.lab.dut_server_address
        assert b.clients_seen(25) == [expected] * 25
        key = certificates.of(b.lab).key.stat()
        assert (stat.S_IMODE(key.st_mode), key.st_uid) == (0o600, unprivileged.UID)
        client = replace(b.lab.client_endpoint, authority=None)
        with netns.call_in(client.netns, lambda: client.connect(1)) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nHost: origin\r\n\r\n")
            assert not plain.recv(1000).startswith(b"HTTP/1.1 200"), "it answers plain requests"


@pytest.mark.parametrize("workload", EXPECTED)
@calm_origins()
@in_windows
def test_both_ends_report_the_same_handshakes(workload: str, tmp_path: Path) -> None:
    parameters = {"resumed_percent": 50} if workload == "https_churn" else {}
    load = ClosedLoad(connections=CONNECTIONS)
    trials = measure(tmp_path, workload, load, NAMES, slice_s=0.15, parameters=parameters)
    for label, trial in trials.items():
        assert reasons(trial) == set(), (label, trial.validity)
        assert trial.over == DATAPATHS[label].over
        assert trial.proof is not None
        made = trial.proof.handshakes or {}
        assert set(made) == set(trial.proof.counters.handshakes or {}) == EXPECTED[workload]
        assert trial.proof.verified_handshakes == sum(made.values()) >= CONNECTIONS
        assert trial.proof.origin_requests is not None
        assert trial.proof.origin_requests >= trial.proof.requests > 0
        assert trial.timings["handshake"].count > 0


@dataclass
class Trusting(ShowdownTraffic):
    """The generator without verification."""

    name: str = "showdown-traffic"

    def run(
        self,
        plan: GeneratorPlan,
        targets: Sequence[Target],
        schedule: Schedule,
        *,
        stop: Callable[[], bool] = lambda: False,
        report: Callable[[Interval], None] = lambda _: None,
    ) -> dict[str, TargetTraffic]:
        """See Generator."""
        anyone = [replace(one, authority="unverified") for one in targets]
        return super().run(plan, anyone, schedule, stop=stop, report=report)


def forward_plain(patch: pytest.MonkeyPatch) -> None:
    """The proxies pass on what they get, and nobody speaks TLS: every request is answered."""
    patch.setattr(termination, "proxying", lambda lab, how=PLAIN: how)
    patch.setattr(termination, "endpoint", lambda of_datapath, lab: of_datapath)
    patch.setattr(termination.Terminating, "counters", lambda self: self.proxied.counters())


def count_nothing(patch: pytest.MonkeyPatch) -> None:
    """The proxies do not count their handshakes."""
    patch.setattr(haproxy.HaProxy, "table", lambda self, name: {})


@pytest.mark.parametrize("breaks", [forward_plain, count_nothing, None])
@calm_origins()
@in_windows
def test_tls_that_is_not_proven_makes_the_trial_invalid(
    breaks: Callable[[pytest.MonkeyPatch], None] | None, tmp_path: Path
) -> None:
    """A proxy that forwards plain, one that counts nothing, and a generator that verifies nothing."""
    load, generator = ClosedLoad(connections=CONNECTIONS), ShowdownTraffic() if breaks else Trusting()
    with pytest.MonkeyPatch.context() as patch:
        if breaks:
            breaks(patch)
        trials = measure(tmp_path, "http_keepalive", load, NAMES, slice_s=0.1, generator=generator)
    for label, trial in trials.items():
        assert trial.requests > 50
        assert reasons(trial) == {Reason.TLS_MISMATCH}, (label, trial.validity)
