"""The discovered datapaths and workloads, one object of each for the whole run, as in a worker.

So the first test that attaches an eBPF datapath compiles it, and later tests reuse it.
"""

import subprocess

import workers.datapaths
import workers.workloads
from domain.values.registry import discover
from workers.datapaths.base import Datapath
from workers.inventory.features import TRIES
from workers.lab import netns
from workers.workloads.base import Workload

DATAPATHS: dict[str, Datapath] = discover(workers.datapaths, Datapath)
WORKLOADS: dict[str, Workload] = discover(workers.workloads, Workload)

QDISCS = {one.name: one for one in TRIES if one.name.startswith("qdisc.")}
"""The features that kernels often lack; all others are required for the tests of datapaths."""


def _has_its_qdiscs(datapath: Datapath) -> bool:
    try:
        for name in datapath.requires:
            if name in QDISCS:
                netns.call_in_new(QDISCS[name].attempt)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


RUNNABLE = {name: datapath for name, datapath in DATAPATHS.items() if _has_its_qdiscs(datapath)}
"""The datapaths that this kernel has the qdiscs for."""
