"""Blocks whose datapaths are broken on purpose, side by side, and a witness that does not depend on their proofs.

The witness is in each DUT, behind all hooks of a datapath and of its drop. It counts the packets that leave on a path
on which none may.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bpf.instance import Instance
from domain.trials.trial import Reason, TrialResult
from domain.values.names import LIMIT
from tests.calm import calm_origins
from tests.kernel.bench import swapped_devices
from tests.kernel.datapaths.declared import FACTS
from tests.kernel.datapaths.faults import DURING, WITNESS, Break, Target, instances_noted, nothing
from tests.kernel.runner.test_block import measure, reasons
from tests.variants import DATAPATHS, RUNNABLE
from workers.datapaths.base import Attachment, Datapath
from workers.lab import nft
from workers.lab.lab import Lab
from workers.traffic import showdown_traffic

_IN_FLIGHT_S = 0.1  # what the proxy has accepted, it connects
_BETWEEN = 15  # slices of the neighbour, in which the faults take place: beside other tests, programs are slow
TIMEOUT_MS = 800  # of a request, so that connections which wait in vain do not wait for long
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
_LONGEST_WITHOUT_DATA = 20 + 60  # bytes of IP's and TCP's headers; requests and answers are longer


class Witness:
    """Counts what a DUT forwards past its datapath, and what a client on the DUT sends past the proxy."""

    def __init__(self, lab: Lab) -> None:
        self._lab, self._asked = lab, -1
        endpoint = DATAPATHS[lab.spec.label].client_endpoint(lab)
        on_dut = endpoint.netns == lab.dut_ns
        self._client_asks_origin = on_dut and endpoint.address == lab.server_address
        self._client_asks_proxy = on_dut and not self._client_asks_origin
        translates = FACTS[lab.spec.label].translates
        nft.change(lab, f"table ip {WITNESS} {{\n" + _RULES.format(
            client=lab.devices["dut_client"],
            server=lab.devices["dut_server"],
            passed=f"ip daddr {lab.virtual_address}" if translates else "",
            answered=f"ip saddr != {lab.virtual_address}" if translates else "",
            own=lab.dut_server_address,
            proxy=lab.dut_client_address,
            bare=_LONGEST_WITHOUT_DATA,
        ) + "}\n")  # fmt: skip

    def broken(self) -> None:
        """From now on the proxy opens no more connections: one to the origin is the client's own."""
        if self._client_asks_origin:
            time.sleep(_IN_FLIGHT_S)
            self._asked = self._seen()["asked"]

    def packets(self) -> int:
        """On the wrong path."""
        seen = self._seen()
        return (
            seen["routed"]
            + seen["looped"] * self._client_asks_proxy
            + (seen["asked"] - self._asked) * (self._asked >= 0)
        )

    def _seen(self) -> dict[str, int]:
        return nft.packets(self._lab, "routed", "asked", "looped", table=WITNESS)


@dataclass
class Broken:
    """What came of a block: its trials, and the packets that took the wrong path."""

    trials: dict[str, TrialResult]
    strays: dict[str, int]

    def closed_and_reported(self, label: str, reason: Reason) -> None:
        """The datapath's trial is invalid for the reason, and no packet took another path."""
        trial = self.trials[label]
        assert reason in reasons(trial), (label, trial.validity)
        assert FACTS[label].routes or self.strays[label] == 0, (label, self.strays)


def neighbour_of(broken: Mapping[str, object]) -> str:
    """A datapath that is not broken: the limit, else one that forwards, else any."""
    whole = [datapath for name, datapath in RUNNABLE.items() if name not in broken]
    return min(whole, key=lambda one: (one.role != LIMIT, one.function != "forward", one.name)).name


@dataclass
class Breaker:
    """Measures blocks of broken datapaths; knows the BPF instances of each lab."""

    directory: Path
    instances: dict[str, list[Instance]] = field(default_factory=dict)
    _attaching: str = ""

    def note(self, instance: Instance) -> None:
        """Labs are built and attached one after another, so an instance is of the last lab built."""
        self.instances.setdefault(self._attaching, []).append(instance)

    def block(
        self,
        breaks: Mapping[str, Break],
        *,
        at: int = DURING,
        workload: str = "http_keepalive",
        prepare: Callable[[Lab], object] = lambda lab: None,
    ) -> Broken:
        """Break each datapath in its lab, before or during traffic; one more datapath, their neighbour, is whole.

        ``prepare`` is called with each lab before its datapath is attached.
        """
        neighbour = neighbour_of(breaks)
        witnesses: dict[str, Witness] = {}
        strays: dict[str, int] = {}
        self.instances.clear()

        def built(lab: Lab) -> None:
            prepare(lab)
            self._attaching = lab.spec.label
            witnesses[lab.spec.label] = Witness(lab)

        def breaking(lab: Lab) -> None:
            label = lab.spec.label
            breaks[label](Target(lab, tuple(self.instances.get(label, ()))))
            if breaks[label] is not nothing:
                witnesses[label].broken()

        def then() -> None:
            strays.update((label, witness.packets()) for label, witness in witnesses.items())

        labels, faults = (*breaks, neighbour), dict.fromkeys(breaks, breaking)
        between = _BETWEEN if at == DURING else 0
        trials = measure(
            *(self.directory, labels, faults), at=at, workload=workload, turns=1, prepare=built, then=then,
            when=len(labels) / (2 * len(labels) + between), between=between,
        )  # fmt: skip
        found = trials[neighbour].validity
        assert reasons(trials[neighbour]) == set(), f"the fault of one datapath is not its neighbour's: {found}"
        return Broken(trials, strays)


@contextmanager
def breaker(directory: Path) -> Iterator[Breaker]:
    """A breaker; as long as it lasts, generators are impatient and origins slow."""
    found = Breaker(directory)
    with calm_origins(), instances_noted(found.note), pytest.MonkeyPatch.context() as patch:
        patch.setattr(showdown_traffic, "TIMEOUT_MS", TIMEOUT_MS)
        yield found


@contextmanager
def on_the_wrong_devices() -> Iterator[None]:
    """Every datapath that names devices takes the DUT's two devices for each other, while this lasts."""
    attached = Datapath.attached

    @contextmanager
    def swapped(self: Datapath, lab: Lab) -> Iterator[Attachment]:
        with ExitStack() as stack:
            if FACTS[self.name].names_devices:
                stack.enter_context(swapped_devices(lab))
            yield stack.enter_context(attached(self, lab))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Datapath, "attached", swapped)
        yield
