"""Two generators on the same datapaths: do they find the same throughput, and the same cost of the path?"""

from tests.bench.figures import Findings, heading, paired
from tests.bench.plans import closed
from tests.bench.stage import Measured, labs, run
from workers.lab import Lab

DATAPATHS = ("direct", "tproxy", "ebpf_sk_assign", "ebpf_redirect")
CONNECTIONS = 64


def agreement(findings: Findings, datapaths: tuple[str, ...], blocks: int, slice_s: float) -> None:
    """Closed loops with a thread per CPU, as campaigns run them; every block measures each pair once."""
    heading(f"Agreement, closed({CONNECTIONS}), {blocks} blocks")
    same: list[tuple[Measured, Measured]] = []
    pairs: dict[str, list[tuple[Measured, Measured]]] = {label: [] for label in datapaths}
    with labs(datapaths) as standing:
        for lab in standing.values():
            run("ours", lab, closed("ours", CONNECTIONS), slice_s)  # warm up: proxies, neighbours, caches
        for block in range(blocks):
            turned = block % 2 == 1
            same.append(_pair(standing["direct"], ("ours", "ours"), slice_s, turned))
            for label, lab in standing.items():
                pairs[label].append(_pair(lab, ("ours", "wrk"), slice_s, turned))
    aa = paired([a.requests_per_s for a, _ in same], [b.requests_per_s for _, b in same])
    findings.tell("agreement_a_a_throughput", aa, "A/A: requests/s of ours ÷ ours on direct")
    aa_cost = paired([a.other_cpu_us for a, _ in same], [b.other_cpu_us for _, b in same])
    findings.tell("agreement_a_a_path_cpu", aa_cost, "A/A: CPU per request of path and origin, ours ÷ ours")
    for label, both in pairs.items():
        rate = paired([a.requests_per_s for a, _ in both], [b.requests_per_s for _, b in both])
        text = f"{label}: requests/s of ours ÷ wrk (within the A/A interval)"
        findings.tell(f"agreement_{label}_throughput", rate, text, rate.within(aa))
        # Where generator and path share the CPUs, the cheaper generator leaves more of them to the path. What the path
        # costs is the same whoever asks.
        cost = paired([a.other_cpu_us for a, _ in both], [b.other_cpu_us for _, b in both])
        findings.tell(f"agreement_{label}_path_cpu", cost, f"{label}: CPU per request of path and origin, ours ÷ wrk")


def _pair(lab: Lab, generators: tuple[str, str], slice_s: float, turned: bool) -> tuple[Measured, Measured]:
    """One run of each, in either order; returned in the given one."""
    order = generators[::-1] if turned else generators
    first, second = (run(generator, lab, closed(generator, CONNECTIONS), slice_s) for generator in order)
    return (second, first) if turned else (first, second)
