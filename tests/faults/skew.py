"""Parts of other versions: real processes that speak another protocol, and send what the product does not know."""

import random
from collections.abc import Callable, Iterator
from typing import Any

from domain.hosts.protocol import PROTOCOL, Protocol
from tests.faults.under_test import Scenario, Service

NEXT_MAJOR, NEXT_MINOR = Protocol(PROTOCOL.major + 1, 0), Protocol(PROTOCOL.major, PROTOCOL.minor + 1)
LAST_MAJOR = Protocol(PROTOCOL.major - 1, 0)
OLD_S = 30.0


def is_refused(worker: Protocol, coordinator: Protocol) -> Callable[[dict[str, Any]], bool]:
    """Whether the page of hosts says why a newer worker and a coordinator do not work together, and what to do."""
    why = (
        f"the worker speaks protocol {worker}, the coordinator {coordinator}; "
        "install on the coordinator the version of Showdown that the other one has"
    )
    return lambda enrolment: bool(enrolment["refusal"] == why)


def other_workers(service: Service, _: random.Random) -> Iterator[str]:
    """A worker of the next major version is refused, and its blocks wait; one of the next minor version measures them.

    The newer one sends fields that the coordinator does not know, in all that it sends.
    """
    waiting = service.submit()  # no block ends before the worker is killed
    service.restart_as("worker", protocol=str(NEXT_MAJOR))
    if not service.worker_is(is_refused(NEXT_MAJOR, PROTOCOL)):
        yield f"a worker of protocol {NEXT_MAJOR} is not shown as refused"
    service.restart_as("worker", protocol=str(NEXT_MINOR), newer_fields=True)
    if not service.worker_is(lambda one: one["protocol"] == str(NEXT_MINOR) and not one["refusal"]):
        yield f"a worker of protocol {NEXT_MINOR} is not shown as accepted"
    yield from service.completed(waiting)
    service.restart_as("worker", protocol="", newer_fields=False)
    if not service.worker_is(lambda one: one["protocol"] == str(PROTOCOL)):
        yield f"the worker of protocol {PROTOCOL} did not come back"


def older_coordinator(service: Service, _: random.Random) -> Iterator[str]:
    """The coordinator is replaced by an older one in the middle of a campaign, and by the right one after a while."""
    campaign_id = service.submit()
    service.until(campaign_id, lambda view: view["state"] == "running", 60)
    service.restart_as("coordinator", protocol=str(LAST_MAJOR))
    if not service.worker_is(is_refused(PROTOCOL, LAST_MAJOR)):
        yield f"a coordinator of protocol {LAST_MAJOR} does not show that it refuses the worker"
    service.wait(OLD_S)
    service.restart_as("coordinator", protocol="")
    yield from service.completed(campaign_id)


VERSIONS: dict[str, Scenario] = {
    "worker of an incompatible, then of a newer version": other_workers,
    "coordinator of an older version for a while": older_coordinator,
}
