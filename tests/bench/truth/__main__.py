"""Run the parts, print the table, and end with one JSON object; see the package."""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from coordinator.scheduling.saturation import Goal
from domain.trials.trial import MAX_ATTEMPTS
from tests.bench.figures import heading
from tests.bench.truth import burning, equal, origins, power, resolution, searched
from tests.bench.truth.blocks import patience
from tests.bench.truth.burner import Burner
from tests.bench.truth.design import reference, spreads_of
from tests.bench.truth.table import Row, Table
from tests.orderly import ends_in_order
from tests.simulated import Spreads


@dataclass(frozen=True)
class Size:
    """How long each part is; the whole takes 25 minutes at most, the quick form two."""

    burns_ns: Sequence[int] = (250, 1000, 4000)
    burner_blocks: Mapping[str, int] | None = None
    overload_slices: Mapping[float, int] | None = None
    overload_repeats: int = 2
    search: Goal = searched.GOAL
    delays_us: tuple[int, ...] = origins.DELAYS_US
    delay_blocks: int = 6
    delay_slices: int = 3
    campaigns: int = 200
    real: tuple[Sequence[str], Mapping[str, str], int, int] = (("direct", "tproxy"), equal.REAL_LEVELS, 6, 2)
    power_campaigns: int = 50
    differences: Sequence[float] = power.DIFFERENCES
    resolution_s: float = 300.0
    resolution_slices: int = 10
    runs: int = 5  # of each datapath, one after another


FULL = Size(burner_blocks={"closed(64)": 12, "open(4000)": 8}, overload_slices=origins.SLICES)
QUICK = Size(
    burns_ns=(4000,),
    burner_blocks={"closed(64)": 5},
    overload_slices={0.2: 5},
    overload_repeats=1,
    search=replace(searched.GOAL, steps=6),
    delays_us=(1_000,),
    delay_blocks=5,
    delay_slices=2,
    campaigns=5,
    real=(("direct",), {"medium": "closed(64)"}, 5, 1),
    power_campaigns=4,
    differences=(0.1,),
    resolution_s=6.0,
    resolution_slices=2,
    runs=2,
)


def burner_rows(size: Size) -> Iterable[Row]:
    """Known CPU per packet."""
    for level, blocks in (size.burner_blocks or {}).items():
        burners = {burning.label_of(ns): Burner(ns) for ns in size.burns_ns}
        yield from burning.burning(burners, level, blocks)


class Bench:
    """The parts by name. ``equal`` leaves the host's noise for ``power``, which else takes the recorded one."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self.spreads: Spreads = spreads_of({}, reference())
        self.whose = "recorded"
        self.parts: Mapping[str, Callable[[], Iterable[Row]]] = {
            "burner": lambda: burner_rows(size),
            "overload": lambda: origins.overload(size.overload_slices or {}, size.overload_repeats),
            "search": lambda: searched.searched(size.search),
            "delay": lambda: origins.delays(size.delays_us, size.delay_blocks, size.delay_slices),
            "simulated": lambda: equal.simulated(size.campaigns),
            "equal": self.equal,
            "power": lambda: power.powers(size.power_campaigns, size.differences, self.spreads, self.whose),
            "resolution": lambda: resolution.resolutions(size.resolution_s, size.resolution_slices, size.runs),
        }

    def equal(self) -> list[Row]:
        """A real A/A campaign, whose noise the part ``power`` uses."""
        rows, measured = equal.real(*self.size.real)
        if noise := equal.noise_of(measured):
            self.spreads, self.whose = spreads_of(noise, reference()), "this host's"
        return rows

    def run(self, names: Sequence[str]) -> Table:
        """Run parts in their order."""
        table = Table()
        for name, part in self.parts.items():
            if name in names:
                began = time.monotonic()
                heading(name)
                table.add(part())
                table.facts[f"{name}_s"] = round(time.monotonic() - began, 1)
        return table


def main(arguments: Sequence[str]) -> int:
    """See the module. Ends with 0 whatever was found."""
    names = tuple(Bench(QUICK).parts)
    parser = argparse.ArgumentParser(prog="make bench-truth", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short, to see that it runs")
    parser.add_argument("--part", action="append", choices=names, help="only this part; may be repeated")
    options = parser.parse_args(arguments)
    patience.attempts = 1 if options.quick else MAX_ATTEMPTS
    table = Bench(QUICK if options.quick else FULL).run(options.part or names)
    print(f"\n{table.text}\n\n{table.found} of {table.judged} known truths found\n")
    print(table.json())
    return 0


if __name__ == "__main__":
    ends_in_order()
    sys.exit(main(sys.argv[1:]))
