"""The discovered datapaths and workloads, one of each for the whole run.

So a worker keeps them: an eBPF datapath is compiled once, by the first test that attaches it, and never again.
"""

import workers.datapaths
import workers.workloads
from domain.registry import discover
from workers.datapaths.base import Datapath
from workers.workloads.base import Workload

DATAPATHS: dict[str, Datapath] = discover(workers.datapaths, Datapath)
WORKLOADS: dict[str, Workload] = discover(workers.workloads, Workload)
