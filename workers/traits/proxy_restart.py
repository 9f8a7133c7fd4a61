"""Does service come back when the proxy is restarted?"""

import os
import time

from domain.trials.traits import Finding
from domain.values.texts import error_text
from workers.lab import sockets
from workers.lab.process import Process
from workers.traits._rig import OpenConnection, Rig
from workers.traits.base import Bench, Trait, no, not_applicable, yes

BACK_WITHIN_S = 3.0


class ProxyRestart(Trait):
    """Kills the proxy and starts it again; changes nothing else."""

    name = "proxy_restart"
    title = "survives proxy restart"
    summary = (
        "The proxy is killed and started again by its own command line, as a supervisor would, with nothing else done: "
        f"new connections go through it within {BACK_WITHIN_S:g} s. "
        "Whether established connections survive is listed separately."
    )

    def check(self, bench: Bench) -> Finding:
        """See the contract."""
        if not bench.shared().proxies:
            return not_applicable("There is no proxy.")
        with bench.fresh() as rig, rig.open_connection() as opened:
            for proxy in rig.proxies:
                _restart(rig, proxy)
            fate = _fate_of(opened)
            try:
                took_s = rig.wait_until_ready(BACK_WITHIN_S)
            except OSError as error:
                return no(f"Within {BACK_WITHIN_S:g} s no new connection got an answer ({error_text(error)}); {fate}.")
            if not _goes_through(rig):
                return no(f"New connections get answers, but not through the new proxy; {fate}.")
            return yes(f"New connections went through the new proxy after {took_s * 1000:.0f} ms; {fate}.")


def _restart(rig: Rig, proxy: Process) -> None:
    inherited = _inherited_maps(proxy.pid)
    proxy.kill()
    rig.lab.stop(proxy)
    rig.lab.spawn("dut", proxy.argv, task_role="proxy", fds=inherited)


def _inherited_maps(process: int) -> list[int]:
    """BPF maps that a program inherited: descriptors that this process has under the same numbers."""
    ours, theirs = _maps_of("self"), _maps_of(str(process))
    return sorted(ours & theirs)


def _maps_of(process: str) -> set[int]:
    found = set()
    for name in os.listdir(f"/proc/{process}/fd"):
        try:
            if "bpf-map" in os.readlink(f"/proc/{process}/fd/{name}"):
                found.add(int(name))
        except OSError:  # closed meanwhile
            continue
    return found


def _fate_of(opened: OpenConnection) -> str:
    try:
        opened.echo(b"still there?")
    except TimeoutError:
        return "an established connection stalled"
    except OSError:  # a FIN, a reset, or a rejection by rules
        return "an established connection was cut off"
    return "an established connection went on"


def _goes_through(rig: Rig) -> bool:
    with rig.open_connection() as opened:
        until = time.monotonic() + 1
        while time.monotonic() < until:
            for process in rig.proxy_ids:
                descriptor = sockets.connected_socket(process, opened.client)
                if descriptor is not None:
                    os.close(descriptor)
                    return True
        return False
