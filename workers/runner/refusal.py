"""Why a datapath cannot have a trial in some lab. Pure."""

from domain.loads.condition import PLAIN, Condition
from domain.trials.trial import Reason
from workers.datapaths.base import Datapath
from workers.lab.spec import LabSpec
from workers.traffic.base import Generator
from workers.workloads.base import Workload


def refusal_of(
    datapath: Datapath, workload: Workload, generator: Generator, spec: LabSpec, condition: Condition
) -> tuple[Reason, str] | None:
    """A finding with its detail; ``None`` if the datapath can carry the workload in such a lab."""
    if why := _unable(datapath, workload, generator, spec):
        return Reason.DATAPATH_FAILED, f"{datapath.name} {why}"
    for name, why in datapath.excludes.items():
        if getattr(condition, name) != getattr(PLAIN, name):
            return Reason.DATAPATH_FAILED, f"{datapath.name} cannot be under {condition}: {why}"
    for name, bound in datapath.bounds.items():
        if (wanted := getattr(condition, name)) > bound.most:
            what = name.replace("_", " ")
            detail = f"{datapath.name} takes at most {bound.most:,} {what}, not {wanted:,}: {bound.why}"
            return Reason.BEYOND_BOUND, detail
    return None


def _unable(datapath: Datapath, workload: Workload, generator: Generator, spec: LabSpec) -> str:
    """The reason, as the rest of a sentence behind the datapath's name; empty if it can."""
    if datapath.services and workload.service not in datapath.services:
        return f"carries {', '.join(sorted(datapath.services))}, not {workload.service}"
    if workload.protocol not in datapath.protocols:
        return f"carries {', '.join(sorted(datapath.protocols))}, not {workload.protocol}"
    if spec.ip_version not in datapath.ip_versions:
        return f"carries {', '.join(f'IPv{one}' for one in sorted(datapath.ip_versions))}, not IPv{spec.ip_version}"
    if datapath.one_client and spec.clients > 1:
        return f"takes one client only: {datapath.one_client}"
    if datapath.terminates_tls and not generator.verifies:
        return f"terminates TLS, and {generator.name} verifies no certificate"
    return ""
