"""Faults of a running service: each is injected into the whole stack while a campaign runs; one oracle judges. Root.

    .venv/bin/python -m tests.faults.service [--rounds 3] [--only "worker cut off"]

The last line is one JSON object. The exit status is 0 if every campaign ended, nothing was lost or doubled, and the
kernel is as it was. Where PostgreSQL is installed, a separate stack uses it, and its server is stopped at once.
"""

import argparse
import json
import math
import random
import sys
import time
from collections.abc import Iterable, Mapping

from tests import postgresql
from tests.faults.injections import FAULTS, POSTGRESQL_FAULTS, crash
from tests.faults.partitions import PARTITIONS
from tests.faults.skew import VERSIONS
from tests.faults.under_test import Scenario, Service, during_a_campaign, service
from tests.orderly import ends_in_order

GROUPS: tuple[tuple[Mapping[str, Scenario], bool], ...] = (
    ({name: during_a_campaign(inject) for name, inject in FAULTS.items()}, False),
    (PARTITIONS, True),
    (VERSIONS, False),
)
"""The faults of one stack each, and whether its worker asks through links. Children may not end too often in one."""


class Suffered:
    """The faults so far, and what was wrong after them. Faults whose name does not begin with ``only`` are left out."""

    def __init__(self, seed: int, only: str, limit_s: float) -> None:
        self.seed, self._only, self._rng = seed, only, random.Random(seed)
        self._until = time.monotonic() + limit_s
        self.tried, self.slowest_s = 0, 0.0
        self.wrong: list[str] = []

    def chosen(self, names: Iterable[str]) -> list[str]:
        """Those of ``names`` that are wanted, in a random order."""
        wanted = sorted(name for name in names if name.startswith(self._only))
        return self._rng.sample(wanted, len(wanted))

    def add(self, round_number: int, under_test: Service, name: str, scenario: Scenario) -> None:
        """One fault; after the limit of time, only in the first round."""
        if round_number and time.monotonic() > self._until:
            return
        found, seconds = under_test.suffer(scenario, self._rng)
        self.tried, self.slowest_s = self.tried + 1, max(self.slowest_s, seconds)
        said = "; ".join(found) or "nothing lost"
        print(f"round {round_number + 1}, {name}: {said} ({seconds:.0f} s)", flush=True)
        self.wrong += [f"{name}: {one}" for one in found]

    @property
    def figures(self) -> dict[str, object]:
        """The last line."""
        figures = {"faults": self.tried, "violations": len(self.wrong), "slowest_s": round(self.slowest_s, 1)}
        return {**figures, "seed": self.seed}


def suffered(rounds: int, seed: int, only: str = "", limit_s: float = math.inf) -> dict[str, object]:
    """Every fault, in new stacks each round; returns the figures of the last line.

    After ``limit_s``, no further fault begins, except in the first round.
    """
    found, programs = Suffered(seed, only, limit_s), postgresql.programs()
    for number in range(rounds):
        for scenarios, linked in GROUPS:
            if names := found.chosen(scenarios):
                with service(linked=linked) as under_test:
                    for name in names:
                        found.add(number, under_test, name, scenarios[name])
        if programs is not None and (names := found.chosen(POSTGRESQL_FAULTS)):
            with postgresql.running(programs) as server, service(server.new_database()) as under_test:
                for name in names:
                    crashed = during_a_campaign(crash(server, POSTGRESQL_FAULTS[name]))
                    found.add(number, under_test, name, crashed)
    return found.figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", default="", help="faults whose name begins so")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = parser.parse_args()
    found = suffered(options.rounds, options.seed, options.only)
    print(json.dumps(found))
    return int(bool(found["violations"]))


if __name__ == "__main__":
    ends_in_order()
    sys.exit(main())
