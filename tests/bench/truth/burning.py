"""A known CPU cost: programs that burn a known time per packet, priced by the report over one that burns nothing."""

from collections.abc import Mapping, Sequence

from domain.campaigns.campaign import Campaign, read_campaign
from domain.loads.metric import Metric
from domain.reports.report import Price
from tests.bench.truth.blocks import Measured, context, run_campaign
from tests.bench.truth.burner import Burned, Burner, EmptyBurner
from tests.bench.truth.table import Row

PART = "CPU burned per packet"
REFERENCE = "burn_0"
MIN_BURNED = 0.8  # of the time asked for, by the program's own count: 250 ns less two readings of the clock
LEVELS = {"closed(64)": {"slices": 10, "slice_s": 0.2}, "open(4000)": {"slices": 3, "open_slice_s": 1.0}}
# What a burned time may cost the rest of the path. On CPUs that are never idle, a slower packet makes the programs poll
# more often for each request, and finds their data in colder caches.
SIDE_COSTS = {"closed(64)": 0.15, "open(4000)": 0.0}


def label_of(burn_ns: int) -> str:
    """The datapath that burns so much."""
    return f"burn_{burn_ns}"


def campaign_of(labels: Sequence[str], level: str, blocks: int, design: Mapping[str, float]) -> Campaign:
    """All burners side by side at one level."""
    fields = {
        "name": "truth-burner", "datapaths": list(labels), "reference": REFERENCE, "levels": {"level": level},
        "blocks": blocks, "warm_up_s": 0.2, "seed": 1, **design,
    }  # fmt: skip
    return read_campaign(fields)


def burning(
    burners: Mapping[str, Burner], level: str, blocks: int, design: Mapping[str, float] | None = None
) -> list[Row]:
    """Measure ``burners``, by label, over an empty one at a level; a row for each."""
    arms = {REFERENCE: EmptyBurner(), **burners}
    campaign = campaign_of(list(arms), level, blocks, LEVELS[level] if design is None else design)
    with context(arms) as host:
        measured = run_campaign(campaign, host)
    prices = {p.datapath: p for p in measured.report.prices if p.metric is Metric.CPU_US_PER_REQUEST}
    reference = per_request(arms[REFERENCE].burned, measured, REFERENCE)
    return [
        row_of(burner, level, per_request(burner.burned, measured, label), reference, prices[label])
        if label in prices
        else Row(PART, cause_of(burner, level), burner.burn_ns, None, unit="ns", found=False, note=measured.why_invalid)
        for label, burner in burners.items()
    ]


def per_request(burned: Burned, measured: Measured, label: str) -> tuple[float, float]:
    """Packets per request, and ns burned per request."""
    requests = measured.requests(label)
    return (burned.packets / requests, burned.burned_ns / requests) if requests else (0.0, 0.0)


def cause_of(burner: Burner, level: str) -> str:
    """The row's cause."""
    return f"{burner.burn_ns} ns a packet on direct, {level}"


def row_of(burner: Burner, level: str, arm: tuple[float, float], reference: tuple[float, float], price: Price) -> Row:
    """What the price says of each packet, beside what the program counted.

    The empty program reads the clock twice, too: its cost is in both figures and cancels, and so does what it counts.
    A program that did not burn what it should is not found, whatever it counted.
    """
    packets, burned_ns = arm
    known = (burned_ns - reference[1]) / packets
    value, low, high = (us * 1000 / packets for us in (price.us, price.low_us, price.high_us))
    note = f"{packets:.2f} packets and {price.over_us:.1f} µs a request, {price.pairs} pairs"
    note += "; may be nothing" * (low <= 0 <= high)
    found = low <= known * (1 + SIDE_COSTS[level]) and known <= high and known >= MIN_BURNED * burner.burn_ns
    return Row(PART, cause_of(burner, level), known, value, low, high, "ns", found, note)
