"""Does service come back when the proxy does?"""

import os
import time
from collections.abc import Sequence

from domain.traits import Finding
from workers.lab import sockets
from workers.lab.process import Process
from workers.traits._rig import Rig, Standing
from workers.traits.base import Bench, Trait, no, not_applicable, yes

BACK_WITHIN_S = 3.0


class ProxyRestart(Trait):
    """The proxy is killed and started anew; nothing else is touched."""

    name = "proxy_restart"
    title = "survives proxy restart"
    summary = (
        "The proxy is killed and started again by its own command line, as a supervisor would, with nothing else done: "
        f"new connections go through it within {BACK_WITHIN_S:g} s. What becomes of a standing one is told beside."
    )

    def check(self, bench: Bench) -> Finding:
        """See the contract."""
        if not bench.shared().proxies:
            return not_applicable("There is no proxy.")
        with bench.fresh() as rig, rig.standing_connection() as standing:
            for proxy in rig.proxies:
                _restart(rig, proxy)
            fate = _fate_of(standing)
            try:
                took_s = rig.wait_until_ready(BACK_WITHIN_S)
            except OSError as error:
                return no(f"Within {BACK_WITHIN_S:g} s no new connection got an answer ({error}); {fate}.")
            if not _goes_through(rig, rig.proxies):
                return no(f"New connections get answers, but not through the new proxy; {fate}.")
            return yes(f"New connections went through the new proxy after {took_s * 1000:.0f} ms; {fate}.")


def _restart(rig: Rig, proxy: Process) -> None:
    inherited = _inherited_maps(proxy.pid)
    proxy.kill()
    rig.lab.stop(proxy)
    rig.lab.spawn("dut", proxy.argv, task_role="proxy", fds=inherited)


def _inherited_maps(process: int) -> list[int]:
    """Descriptors of BPF maps that a program was started with: by the same numbers they are ours."""
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


def _fate_of(standing: Standing) -> str:
    try:
        standing.say(b"still there?")
    except TimeoutError:
        return "one that stood before stands still"
    except OSError:  # its end, a reset, or a refusal by rules
        return "one that stood before was cut off"
    return "one that stood before went on"


def _goes_through(rig: Rig, proxies: Sequence[Process]) -> bool:
    with rig.standing_connection() as standing:
        until = time.monotonic() + 1
        while time.monotonic() < until:
            for proxy in proxies:
                descriptor = sockets.connected_socket(proxy.pid, standing.client)
                if descriptor is not None:
                    os.close(descriptor)
                    return True
        return False
