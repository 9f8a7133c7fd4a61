"""What this host can run; each "no" with its reason and remedy.

``python -m workers.agent.capabilities HOST FD`` writes it as JSON, in UTF-8, to a separate descriptor: BCC writes to
standard output.

Features come from workers/inventory/features.py. Variants look at the features only.
"""

import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import probes.catalog
import workers.datapaths
import workers.workloads
from domain.service.jobs import HostCapabilities, Variant
from domain.values.registry import discover
from probes.base import Probe
from workers.datapaths.base import Datapath
from workers.inventory.features import probe_features
from workers.inventory.fingerprint import fingerprint
from workers.lab import sysctls
from workers.relay import program as relay_program
from workers.traffic import program as traffic_program
from workers.workloads.base import Workload

OWN_PROGRAMS = {program.NAME: program.PATH for program in (relay_program, traffic_program)}
"""The project's own programs, which `make setup` builds."""


def host_capabilities(host: str) -> HostCapabilities:
    """Every installed variant, with what this host lacks for it. Takes about a second."""
    bare = HostCapabilities(host=host, features=probe_features(OWN_PROGRAMS), fingerprint=fingerprint())
    return bare.model_copy(
        update={
            "datapaths": _variants(
                workers.datapaths,
                Datapath,
                bare,
                datapath_facts,
            ),
            "workloads": _variants(workers.workloads, Workload, bare, workload_facts),
            "probes": _variants(probes.catalog, Probe, bare, probe_facts),
        }
    )


def workload_variants() -> tuple[Variant, ...]:
    """Every installed workload, by name, whether or not it runs on this host."""
    return tuple(
        Variant(name=name, summary=workload.summary, **workload_facts(workload))
        for name, workload in sorted(discover(workers.workloads, Workload).items())
    )


def datapath_facts(datapath: Datapath) -> dict[str, Any]:
    """What the coordinator must know about a datapath on this host; fields of :class:`domain.service.jobs.Variant`."""
    return {
        "function": datapath.function,
        "protocols": tuple(sorted(datapath.protocols)),
        "services": tuple(sorted(datapath.services)),
        "ip_versions": tuple(sorted(datapath.ip_versions & set(sysctls.versions()))),
        "one_client": datapath.one_client,
        "tracking": datapath.tracking.value,
    }


def workload_facts(workload: Workload) -> dict[str, Any]:
    """What the coordinator must know about a workload; fields of :class:`domain.service.jobs.Variant`."""
    return {
        "level_kinds": workload.level_kinds,
        "open_rates_per_s": workload.open_rates_per_s,
        "open_arrivals": workload.open_arrivals,
        "one_client": workload.one_client,
        "protocols": (workload.protocol,),
        "services": (workload.service,),
        "parameters": workload.parameters,
    }


def probe_facts(probe: Probe) -> dict[str, Any]:
    """What the coordinator must know of a probe; fields of :class:`domain.service.jobs.Variant`."""
    return {"stage": probe.stage, "place": probe.place}


def _variants(
    package: ModuleType, contract: type[Any], host: HostCapabilities, more: Callable[[Any], dict[str, Any]]
) -> tuple[Variant, ...]:
    return tuple(
        Variant(
            name=name,
            summary=variant.summary,
            missing=tuple(variant.unmet_requirements(host)),
            **more(variant),
        )
        for name, variant in discover(package, contract).items()
    )


if __name__ == "__main__":
    with os.fdopen(int(sys.argv[2]), "wb") as answer:
        answer.write(host_capabilities(sys.argv[1]).model_dump_json().encode())
