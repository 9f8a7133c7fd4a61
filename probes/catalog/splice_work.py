"""How long data that the kernel passes from socket to socket waits for, and takes in, a kworker."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from bpf.btf import member_offset
from domain.probes.place import Place
from probes.base import LabView, ProbeError
from probes.tracing import FEATURES, TracingProbe

BACKLOG = "sk_psock_backlog"
KALLSYMS = Path("/proc/kallsyms")


class SpliceWork(TracingProbe):
    """workqueue_queue_work → execute_start (``queued``) → execute_end (``run``) of the function sk_psock_backlog.

    A socket map redirects through this function. One run passes on all data that has arrived by then, so there are
    fewer runs than packets. Only datapaths with socket maps have this stage; the probe counts nothing in others.
    """

    name: ClassVar[str] = "splice_work"
    stage: ClassVar[str] = "splice_work"
    summary: ClassVar[str] = "Data spliced by a socket map: its work waits for a kworker (queued), and runs (run)"
    place: ClassVar[Place | None] = Place(order=90)
    features: ClassVar[tuple[str, ...]] = (*FEATURES, "bpf.sockmap")
    roles: ClassVar[tuple[str, ...]] = ("queued", "run")
    constants: ClassVar[Mapping[str, int]] = {"QUEUED": 0, "RUN": 1}

    def applies(self, lab: LabView) -> bool:
        return bool(lab.tasks.get("proxy"))

    def _roles(self, lab: LabView) -> tuple[str, ...]:
        return ()

    def _defines(self) -> dict[str, int | str]:
        return {
            **super()._defines(),
            "BACKLOG": f"{address_of(BACKLOG):#x}ULL",
            "WORK_FUNCTION": member_offset("work_struct", "func"),
            "PSOCK_WORK": member_offset("sk_psock", "work"),
            "PSOCK_SOCK": member_offset("sk_psock", "sk"),
        }


def address_of(symbol: str) -> int:
    """A kernel function's address. Raises :class:`ProbeError`."""
    try:
        with KALLSYMS.open() as lines:
            found = next((line for line in lines if line.split()[2] == symbol), None)
    except OSError as error:
        raise ProbeError(f"{KALLSYMS}: {error.strerror}") from error
    if found is None:
        raise ProbeError(f"this kernel has no {symbol}: it was built without socket maps")
    address = int(found.split()[0], 16)
    if not address:
        raise ProbeError(f"{KALLSYMS} hides addresses; allow them with: sysctl kernel.kptr_restrict=1")
    return address
