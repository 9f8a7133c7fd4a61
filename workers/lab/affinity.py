"""Which CPUs the programs of a lab may use: those of their place, and proxies the first few of them under a condition.

Threads inherit what taskset sets for their process (sched_setaffinity(2)). What came of it is read back for each.
"""

from collections.abc import Iterable
from pathlib import Path

from domain.values.texts import counted
from workers.lab import cpus
from workers.lab.process import Process
from workers.lab.spec import LabSpec

PROXY = "proxy"
"""The task role of proxies."""
_FIELD = "Cpus_allowed_list:"


class AffinityError(OSError):
    """A proxy cannot have its CPUs, or has others."""


def of_proxies(spec: LabSpec) -> tuple[int, ...]:
    """The CPUs that a proxy may use. Raises :class:`AffinityError` if the DUT has fewer than the condition asks for."""
    of_dut = cpus.placement().dut
    if spec.proxy_cpus and spec.proxy_cpus > len(of_dut):
        have = f"the DUT has {counted(len(of_dut), 'CPU')} here ({cpus.list_text(of_dut)})"
        raise AffinityError(f"{have}; ask for proxy_cpus({len(of_dut)}) at most, or for a host with more")
    return of_dut[: spec.proxy_cpus] if spec.proxy_cpus else of_dut


def bound(spec: LabSpec, role_ns: str, task_role: str | None) -> tuple[int, ...]:
    """The CPUs that a program must be bound to; empty where it may use all. Raises :class:`AffinityError`."""
    if spec.proxy_cpus and task_role == PROXY:
        return of_proxies(spec)
    return cpus.placement().bound(role_ns)


def check_proxies(spec: LabSpec, processes: Iterable[Process]) -> str:
    """Compare what each thread of the proxies may use with the condition; returns what was found, for a trial's notes.

    Empty without the condition, or without a proxy. Raises :class:`AffinityError` for a thread with other CPUs.
    """
    proxies = [one for one in processes if one.task_role == PROXY] if spec.proxy_cpus else []
    if not proxies:
        return ""
    wanted, threads = cpus.list_text(of_proxies(spec)), 0
    for proxy in proxies:
        for task in proxy.tasks():
            if (found := _allowed(task)) not in (wanted, ""):
                program = Path(proxy.argv[0]).name
                raise AffinityError(f"thread {task} of {program} may use the CPUs {found}, not {wanted}")
            threads += bool(found)
    if not threads:
        raise AffinityError("no thread of the proxy is there to be checked")
    return f"the proxy's {counted(threads, 'thread')} may use the CPUs {wanted} only, as the kernel lists them"


def _allowed(task: int) -> str:
    """The CPUs that a thread may use, as the kernel lists them; empty if it has ended."""
    try:
        lines = Path(f"/proc/{task}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return next(line.removeprefix(_FIELD).strip() for line in lines if line.startswith(_FIELD))
