"""A worker that is cut off for longer than its lease, while it and its block go on; and one that sleeps.

The worker reaches its servers through links (tests/faults/links.py). All of them are damaged, or those to one server.
"""

import os
import random
import signal
import time
from collections.abc import Iterator

from domain.service.jobs import LEASE_S
from tests.faults.links import Damage
from tests.faults.under_test import ONE_BLOCK, Inject, Scenario, Service, during_a_campaign

CUT_S = LEASE_S + 5
LONG = int(CUT_S) + 5  # slices of a second, so the block ends after the cut
SLEEP_S = 125.0
SILENT_WITHIN_S = 75.0  # a host is offline after 60 s


def cut(damage: Damage, seconds: float, *links: str) -> Inject:
    """The links, or all, are damaged for so long. A cut that no connection met proves nothing, and is wrong."""

    def inject(service: Service) -> list[str]:
        chosen = {name: service.links[name] for name in links or service.links}
        stopped = {name: link.stopped for name, link in chosen.items()}
        for link in chosen.values():
            link.suffer(damage)
        service.wait(seconds)
        for link in chosen.values():
            link.suffer(Damage.NONE)
        return [
            f"no connection to the {name} was cut" for name, link in chosen.items() if link.stopped == stopped[name]
        ]

    return inject


def lost_lease(damage: Damage) -> Scenario:
    """A block that would outlast the cut: its lease expires, its worker gives it up, and it is measured again."""

    def scenario(service: Service, _: random.Random) -> Iterator[str]:
        campaign_id = service.submit(ONE_BLOCK.format(slices=LONG))
        service.until(campaign_id, lambda view: view["state"] == "running", 60)
        yield from cut(damage, CUT_S)(service) or ()
        yield from service.completed(campaign_id)
        if "stopped reporting" not in service.history(campaign_id):
            yield "the lease did not expire, so the cut was too short"

    return scenario


def asleep(seconds: float) -> Scenario:
    """An idle worker is stopped before it can take a block, is shown as silent, and takes that block and later ones."""

    def scenario(service: Service, _: random.Random) -> Iterator[str]:
        group, begun_s = os.getpgid(service.stack.pids["worker"]), time.monotonic()
        os.killpg(group, signal.SIGSTOP)
        try:
            first = service.submit(ONE_BLOCK.format(slices=1))
            if not service.has_host(online=False, limit_s=SILENT_WITHIN_S):
                yield f"a worker that was silent for {SILENT_WITHIN_S:.0f} s was shown as online"
            service.wait(begun_s + seconds - time.monotonic())
        finally:
            os.killpg(group, signal.SIGCONT)
        yield from service.completed(first)
        yield from service.completed(service.submit(ONE_BLOCK.format(slices=1)))

    return scenario


PARTITIONS: dict[str, Scenario] = {
    "worker cut off by resets": during_a_campaign(cut(Damage.RESET, CUT_S)),
    "worker cut off in silence, and its block goes on": lost_lease(Damage.SILENT),
    "worker cut off from the coordinator alone": during_a_campaign(cut(Damage.SILENT, CUT_S, "coordinator")),
    "worker cut off from Redis alone": during_a_campaign(cut(Damage.SILENT, CUT_S, "broker")),
    f"idle worker paused for {SLEEP_S:.0f} s": asleep(SLEEP_S),
}
