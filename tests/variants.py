"""The discovered datapaths and workloads, one object of each for the whole run, as in a worker.

So the first test that attaches an eBPF datapath compiles it, and later tests reuse it.
"""

import workers.datapaths
import workers.workloads
from domain.registry import discover
from workers.datapaths.base import Datapath
from workers.workloads.base import Workload

DATAPATHS: dict[str, Datapath] = discover(workers.datapaths, Datapath)
WORKLOADS: dict[str, Workload] = discover(workers.workloads, Workload)
