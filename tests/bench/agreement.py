"""Two generators on the same datapaths: do they find the same throughput?"""

from tests.bench.figures import Findings, heading, paired
from tests.bench.plans import closed
from tests.bench.stage import labs, run
from workers.lab.lab import Lab

DATAPATHS = ("direct", "tproxy", "ebpf_sk_assign", "ebpf_redirect")
CONNECTIONS = 64
BASE = "direct"


def agreement(findings: Findings, datapaths: tuple[str, ...], blocks: int, slice_s: float) -> None:
    """Closed loops with a thread per CPU, as campaigns run them; every block measures each pair once."""
    heading(f"Agreement, closed({CONNECTIONS}), {blocks} blocks")
    same: list[tuple[float, float]] = []
    pairs: dict[str, list[tuple[float, float]]] = {label: [] for label in datapaths}
    with labs(datapaths) as running_labs:
        for lab in running_labs.values():
            run("ours", lab, closed("ours", CONNECTIONS), slice_s)  # warm up: proxies, neighbours, caches
        for block in range(blocks):
            turned = block % 2 == 1
            same.append(_pair(running_labs[BASE], ("ours", "ours"), slice_s, turned))
            for label, lab in running_labs.items():
                pairs[label].append(_pair(lab, ("ours", "wrk"), slice_s, turned))
    aa = paired([a for a, _ in same], [b for _, b in same])
    findings.report("agreement_a_a_throughput", aa, "A/A: requests/s of ours ÷ ours on direct")
    for label, both in pairs.items():
        ratio = paired([a for a, _ in both], [b for _, b in both])
        text = f"{label}: requests/s of ours ÷ wrk (within A/A)"
        findings.report(f"agreement_{label}_throughput", ratio, text, ratio.within(aa))
        if label == BASE:
            continue
        # Generator and path share the CPUs, so a cheaper generator leaves more to every path. A campaign therefore uses
        # a path's share of direct, block by block.
        shares = [[mine / base for mine, base in zip(*two, strict=True)] for two in zip(both, pairs[BASE], strict=True)]
        share = paired([ours for ours, _ in shares], [wrk for _, wrk in shares])
        text = f"{label} as a share of {BASE}: ours ÷ wrk (within A/A)"
        findings.report(f"agreement_{label}_share_of_{BASE}", share, text, share.within(aa))


def _pair(lab: Lab, generators: tuple[str, str], slice_s: float, turned: bool) -> tuple[float, float]:
    """Requests/s of one run of each generator, in either order; returned in the given order."""
    order = generators[::-1] if turned else generators
    first, second = (run(name, lab, closed(name, CONNECTIONS), slice_s).requests_per_s for name in order)
    return (second, first) if turned else (first, second)
