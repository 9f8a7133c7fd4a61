"""The past of the example: a schedule with its nights, comparisons of a datapath with itself, and two hosts.

Their blocks are drawn from the measured ones, so that pages are full at little cost. What they show is no finding: from
one night on, TPROXY's cost is raised on purpose, and the second host's costs are.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from coordinator import ticker
from domain.service.jobs import BlockMessage
from tests.unit.coordinator.coordinator_app import CoordinatorApp

Json = dict[str, Any]
PLACE = "http_keepalive/half"
DAY_S = 86_400.0
NIGHTS, NEW_AT, COPIES = 12, 7, 4
SECONDS = 8.0  # that a block takes in this history
KERNEL = "6.19.2 #1 SMP PREEMPT_DYNAMIC"
"""Of the later nights and of the second host."""
HEAVIER = 1.12
_HEAVY = ("probes", "stacks", "work", "watched_latency", "window_times", "watched_pace")


class Deck:
    """Measured blocks of one level in a random order; all are taken before any is taken again."""

    def __init__(self, recordings: Sequence[Json]) -> None:
        blocks = [block for one in recordings for block in one["results"][PLACE]]
        self._blocks = [block for block in blocks if not any(t["validity"]["findings"] for t in block["trials"])]
        self._random, self._left = random.Random(7), list[Json]()

    def draw(self) -> Json:
        """The next block, without what only other pages show."""
        if not self._left:
            self._left = self._random.sample(self._blocks, len(self._blocks))
        block = deepcopy(self._left.pop())
        for trial in block["trials"]:
            for name in _HEAVY:
                trial.pop(name, None)
        return block

    def result(self, block: Mapping[str, Any], host: str) -> Json:
        """A result for a block of a campaign: the second copy of a datapath is taken from another measured block."""
        first, second = self.draw(), self.draw()
        trials = [_trial(second if "#" in label else first, label) for label in block["datapaths"]]
        return {**first, "host": host, "trials": trials}


def _trial(block: Json, label: str) -> Json:
    name = label.partition("#")[0]
    return next(one for one in block["trials"] if one["datapath"] == name) | {"datapath": label}


def raised(result: Json, factor: float, *names: str) -> Json:
    """The result with a new kernel, where these datapaths cost more."""
    for trial in result["trials"]:
        if trial["datapath"] in names:
            cpu = trial["cpu"]
            more_s = (factor - 1) * (cpu["wall_s"] * cpu["cpus"] - cpu["idle_s"])
            cpu["system_s"], cpu["idle_s"] = cpu["system_s"] + more_s, cpu["idle_s"] - more_s
    result["fingerprint"]["kernel"] = KERNEL
    return result


def _of_night(night: int) -> Callable[[Json], Json]:
    """What the host adds to measured blocks in this night: its boot, and from one night on a new kernel."""

    def change(result: Json) -> Json:
        result["fingerprint"]["boot_id"] = f"00000000-0000-4000-8000-{night // 2:012d}"
        return raised(result, HEAVIER, "tproxy") if night >= NEW_AT else result

    return change


class History:
    """Measures campaigns without a worker."""

    def __init__(self, at: CoordinatorApp, campaign: Json, capabilities: Mapping[str, Json], deck: Deck) -> None:
        self._at, self._deck, self._capabilities = at, deck, capabilities
        self._small = campaign | {"levels": {"half": campaign["levels"]["half"]}, "expect": {}, "probes": []}
        self._small |= {"flame_graphs": False, "datapaths": ["direct", "tproxy", "ebpf_sk_assign"]}
        self._done: set[tuple[str, int]] = set()

    def nights(self, host: str) -> str:
        """A schedule with its campaigns, and a rule that finds the change; returns the id of the series."""
        self.register(host)
        body = {"name": "every-night", "cron": "30 2 * * *", "time_zone": "UTC"}
        schedule = self._post("schedules", body | {"campaign": self._small | {"name": "night"}})
        path = f"schedules/{schedule['id']}"
        for night in range(NIGHTS):
            self._at.now += DAY_S
            self.register(host)
            ticker.tick(self._at.store, self._at.dispatcher, self._at.now)
            self._measure(self._at.get(path).json["runs"][0]["campaign"], _of_night(night))
            if not night:
                wanted = {"workload": "http_keepalive", "level": "half", "datapath": "tproxy", "percent": 5}
                series = self._at.get(path).json["series"]
                self._post("rules", wanted | {"series": series, "metric": "cpu_us_per_request"})
        return str(self._at.get(path).json["series"])

    def copies(self, host: str) -> None:
        """Campaigns that compare a datapath with itself."""
        for _ in range(COPIES):
            self._at.now += 3_600
            self.register(host)
            body = self._small | {"name": "itself", "datapaths": ["tproxy", "tproxy"], "reference": "tproxy"}
            self._measure(self._post("campaigns", body)["id"], lambda one: one)

    def two_hosts(self, first: str, second: str) -> str:
        """A campaign on two hosts with different kernels; the second host is removed afterwards."""
        self._at.now += 3_600
        self.register(first, second)
        body = self._small | {"name": "two-kernels", "blocks": 12, "hosts": [first, second]}
        campaign_id = str(self._post("campaigns", body)["id"])

        def change(result: Json) -> Json:
            return raised(result, HEAVIER, "tproxy", "ebpf_sk_assign") if result["host"] == second else result

        self._measure(campaign_id, change)
        answer = self._at.client.delete(f"/api/v1/hosts/{second}", headers=self._at.user)
        assert answer.status_code == 204, answer.text
        return campaign_id

    def register(self, *hosts: str) -> None:
        """The hosts report themselves."""
        for host in hosts:
            body = self._capabilities[host]
            answer = self._at.client.put(f"/api/v1/worker/hosts/{host}", json=body, headers=self._at.worker_of(host))
            assert answer.status_code == 204, answer.text

    def _post(self, path: str, body: Json) -> Json:
        answer = self._at.client.post(f"/api/v1/{path}", json=body, headers=self._at.user)
        assert answer.status_code == 201, answer.text
        found: Json = answer.json
        return found

    def _measure(self, campaign_id: str, change: Callable[[Json], Json]) -> None:
        for _ in range(self._at.view(campaign_id)["blocks_total"]):
            host, message = self._next()
            answer = self._at.call("claim", message, {"host": host})
            assert answer.status_code == 200, answer.text
            result = change(self._deck.result(answer.json["block"], host))
            self._at.now += SECONDS
            sent = self._at.call("report", message, {"lease": answer.json["lease"], "result": result})
            assert sent.status_code == 204, sent.text
        ticker.tick(self._at.store, self._at.dispatcher, self._at.now)
        assert self._at.view(campaign_id)["state"] == "complete"

    def _next(self) -> tuple[str, BlockMessage]:
        """The newest message that was not taken yet."""
        sent = reversed(self._at.dispatcher.sent)
        host, message = next(one for one in sent if (one[1].block_id, one[1].attempt) not in self._done)
        self._done.add((message.block_id, message.attempt))
        return host, message
