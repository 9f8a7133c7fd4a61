"""Blocks whose datapaths are broken on purpose, all side by side, and a witness who knows nothing of their proofs.

The witness stands in each DUT behind everything that a datapath, or its drop, decides: it counts the packets that leave
on a path on which none may.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bpf.enums import AttachType
from bpf.instance import Instance, delete_entry
from bpf.sockmap import detach_from_map
from domain.trial import Reason, TrialResult
from tests.kernel.bench import detach_ingress, detach_link
from tests.kernel.runner.test_block import measure, reasons
from tests.variants import DATAPATHS
from workers.lab import netns, nft
from workers.lab.lab import Lab
from workers.traffic import showdown_traffic

Fault = Callable[[Lab], object]

NEIGHBOUR = ROUTED = "direct"  # which has no path past its own
_IN_FLIGHT_S = 0.1  # what the proxy has accepted, it connects
TIMEOUT_MS = 800  # of a request, so that connections which wait in vain do not wait for long
_WITNESS = "witness"
_RULES = """\
    counter routed {{ }}
    counter asked {{ }}
    counter looped {{ }}
    chain out {{
        type filter hook postrouting priority 1000; policy accept;
        iifname "{client}" oifname "{server}" {passed} counter name routed
        iifname "{server}" oifname "{client}" {answered} counter name routed
        oifname "{server}" ip saddr {own} tcp flags & (syn | ack) == syn counter name asked
    }}
    chain in {{
        type filter hook input priority 1000; policy accept;
        iifname "lo" ip saddr {proxy} ip daddr {proxy} meta length > {bare} counter name looped
    }}
"""
_LONGEST_WITHOUT_DATA = 20 + 60  # bytes of IP's and TCP's headers; questions and answers are longer
_SWAPPED = {"dut_client": "dut_server", "dut_server": "dut_client"}


class Witness:
    """Sees what a DUT forwards past its datapath; where the client is on it, whom that asks past the proxy."""

    def __init__(self, lab: Lab) -> None:
        self._lab, self._asked = lab, -1
        translates = lab.spec.label == "nft_dnat"  # it forwards itself, and may not forward what it has not translated
        nft.change(lab, f"table ip {_WITNESS} {{\n" + _RULES.format(
            client=lab.devices["dut_client"],
            server=lab.devices["dut_server"],
            passed=f"ip daddr {lab.virtual_address}" if translates else "",
            answered=f"ip saddr != {lab.virtual_address}" if translates else "",
            own=lab.dut_server_address,
            proxy=lab.dut_client_address,
            bare=_LONGEST_WITHOUT_DATA,
        ) + "}\n")  # fmt: skip

    def broken(self) -> None:
        """From now on the proxy opens no connection more: who does goes past it."""
        if self._lab.spec.label == "ebpf_connect":
            time.sleep(_IN_FLIGHT_S)
            self._asked = self._seen()["asked"]

    def packets(self) -> int:
        """On the wrong path."""
        seen = self._seen()
        return (
            seen["routed"]
            + seen["looped"] * (self._lab.spec.label == "ebpf_sockops")
            + (seen["asked"] - self._asked) * (self._asked >= 0)
        )

    def _seen(self) -> dict[str, int]:
        return nft.packets(self._lab, "routed", "asked", "looped", table=_WITNESS)


@dataclass
class Broken:
    """What came of a block: its trials, and the packets that took the wrong path."""

    trials: dict[str, TrialResult]
    strays: dict[str, int]

    def closed_and_told(self, label: str, reason: Reason) -> None:
        """The datapath's trial is invalid for the reason, and no packet took another path."""
        trial = self.trials[label]
        assert reason in reasons(trial), (label, trial.validity)
        assert label == ROUTED or self.strays[label] == 0, (label, self.strays)


@dataclass
class Breaker:
    """Measures blocks of broken datapaths; knows the BPF programs and maps of each lab."""

    directory: Path
    instances: dict[str, list[Instance]] = field(default_factory=dict)
    _standing: str = ""

    def block(
        self,
        breaks: Mapping[str, Fault],
        *,
        at: int = 2,
        workload: str = "http_keepalive",
        neighbour: str = NEIGHBOUR,
        stands: Fault = lambda lab: None,
    ) -> Broken:
        """Break each datapath in its lab, before (``at`` 1) or in the midst (2) of traffic; their neighbour is well.

        ``stands`` is done to each lab before its datapath is attached.
        """
        witnesses: dict[str, Witness] = {}
        strays: dict[str, int] = {}
        self.instances.clear()

        def built(lab: Lab) -> None:
            stands(lab)
            self._standing = lab.spec.label
            witnesses[lab.spec.label] = Witness(lab)

        def with_witness(fault: Fault) -> Fault:
            def breaking(lab: Lab) -> None:
                fault(lab)
                if fault is not nothing:
                    witnesses[lab.spec.label].broken()

            return breaking

        def then() -> None:
            strays.update((label, witness.packets()) for label, witness in witnesses.items())

        faults = {label: with_witness(fault) for label, fault in breaks.items()}
        labels = (*breaks, neighbour)
        trials = measure(
            *(self.directory, labels, faults), at=at, workload=workload, turns=1, when=0.5, stands=built, then=then
        )
        assert reasons(trials[neighbour]) == set(), "the fault of one datapath is not its neighbour's"
        return Broken(trials, strays)

    def clear_config(self, lab: Lab) -> None:
        """Empty the map that tells the programs whom they serve."""
        (programs,) = self.instances[lab.spec.label]
        programs.clear("config", 0)

    def empty_sockets(self, lab: Lab) -> None:
        """Delete every socket from the maps of sockets."""
        (programs,) = self.instances[lab.spec.label]
        assert sum(programs.empty(name) for name in ("sockets", "verdict", "targets") if name in programs.maps) > 0

    def forget_listener(self, lab: Lab) -> None:
        """Take the proxy's listener from the map."""
        (programs,) = self.instances[lab.spec.label]
        delete_entry(programs.map_fd("proxy"), 0)

    def detach_verdict(self, lab: Lab) -> None:
        """Take the verdict program from its map; sockets that are in already keep theirs."""
        (programs,) = self.instances[lab.spec.label]
        detach_from_map(programs.programs["splice"], programs.map_fd("verdict"), AttachType.SK_SKB_STREAM_VERDICT)


@contextmanager
def breaker(directory: Path) -> Iterator[Breaker]:
    """As long as it lasts, instances of BPF programs are known by their lab, and generators are impatient."""
    found = Breaker(directory)
    made = Instance.__init__

    def noted(self: Instance, *arguments: object, **named: object) -> None:
        made(self, *arguments, **named)  # type: ignore[arg-type]
        found.instances.setdefault(found._standing, []).append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Instance, "__init__", noted)
        patch.setattr(showdown_traffic, "TIMEOUT_MS", TIMEOUT_MS)
        yield found


@contextmanager
def on_the_wrong_devices() -> Iterator[None]:
    """Whatever is attached meanwhile takes the DUT's two devices for each other, but for the neighbour."""

    def swapped(attached: Callable[..., object]) -> Callable[..., object]:
        @contextmanager
        def attach(self: object, lab: Lab) -> Iterator[object]:
            right = lab.devices, lab._indexes
            lab.devices, lab._indexes = ({role: one[_SWAPPED.get(role, role)] for role in one} for one in right)
            try:
                with attached(self, lab) as attachment:  # type: ignore[attr-defined]
                    yield attachment
            finally:
                lab.devices, lab._indexes = right

        return attach

    with pytest.MonkeyPatch.context() as patch:
        for label, datapath in DATAPATHS.items():
            if label != ROUTED:
                patch.setattr(type(datapath), "attached", swapped(type(datapath).attached))
        yield


def kill_proxy(lab: Lab) -> None:
    """kill -9 the proxy."""
    next(p for p in lab.processes if p.task_role == "proxy").kill()


def flush_nft(lab: Lab) -> None:
    """Remove every nft rule of the datapath, but not the tables."""
    for line in netns.run_in(lab.dut_ns, ["nft", "list", "tables"]).splitlines():
        if not line.endswith(f" {_WITNESS}"):
            netns.run_in(lab.dut_ns, ["nft", "flush", *line.split()])


def detach_tc(lab: Lab) -> None:
    """Remove the tc program from the DUT's device on the client's side."""
    assert detach_ingress(lab, "dut_client") == 1


def detach_xdp(lab: Lab) -> None:
    """Remove the XDP program from the DUT's device on the client's side."""
    netns.run_in(lab.dut_ns, ["ip", "link", "set", "dev", lab.devices["dut_client"], "xdpdrv", "off"])


def refuse_frames(lab: Lab) -> None:
    """Take from the server's device what lets it receive redirected frames."""
    netns.run_in(lab.server_ns, ["ip", "link", "set", "dev", lab.devices["server"], "xdpdrv", "off"])


def unlink(hook: AttachType) -> Fault:
    """Detach the BPF link of this process at the hook, as a stranger would."""
    return lambda lab: detach_link(hook)


def stop_routing(lab: Lab) -> None:
    """The DUT forwards no more."""
    netns.run_in(lab.dut_ns, ["sysctl", "-qw", "net.ipv4.ip_forward=0"])


def nothing(_: Lab) -> None:
    """What is broken was so from the first."""
