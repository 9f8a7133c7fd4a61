"""HTTP/2 over TLS: our generator compared with h2load, with one stream on each connection and on one CPU."""

from statistics import median

from domain.loads.load import ClosedLoad
from tests.bench.figures import Findings, heading, paired
from tests.bench.stage import Measured, labs, one_cpu, run
from workers.lab import certificates
from workers.lab.lab import Lab
from workers.origins.nginx_tls import TlsNginxOrigin
from workers.traffic.base import GeneratorPlan
from workers.workloads.h2 import H2
from workers.workloads.h2_h2load import H2H2load

CONNECTIONS = 32
SPEED_GOAL = 0.95


def http2(findings: Findings, pairs: int, seconds: float) -> None:
    """Both ask the same nginx for the same bodies. Their CPU time includes the handshakes, as many for both."""
    heading(f"HTTP/2 over TLS, closed loop, one thread, {CONNECTIONS} connections, {pairs} pairs")
    plans = {"ours": _plan(H2(), streams=1), "h2load": _plan(H2H2load())}
    found: dict[str, list[Measured]] = {name: [] for name in plans}
    with labs(["direct"], origin=_nginx) as running_labs:
        lab = running_labs["direct"]
        authority = str(certificates.of(lab).authority)
        with one_cpu():
            for index in range(pairs):
                for name in plans if index % 2 else reversed(plans):
                    found[name].append(run(name, lab, plans[name], seconds, authority=authority))
    ours, theirs = found["ours"], found["h2load"]
    rate = paired([one.requests_per_s for one in ours], [one.requests_per_s for one in theirs])
    cost = paired([one.own_cpu_us for one in ours], [one.own_cpu_us for one in theirs])
    findings.report("h2_requests_per_s", rate, "h2 requests/s of ours ÷ h2load (≥ 0.95)", rate.ratio >= SPEED_GOAL)
    findings.report("h2_cpu_per_request", cost, "h2 CPU per request of ours ÷ h2load (≤ 1)", cost.ratio <= 1)
    for name, runs in found.items():
        findings.facts[f"h2_{name}_requests_per_s"] = median(one.requests_per_s for one in runs)
        findings.facts[f"h2_{name}_cpu_us_per_request"] = median(one.own_cpu_us for one in runs)


def _plan(workload: H2 | H2H2load, **parameters: int) -> GeneratorPlan:
    return workload.plan(ClosedLoad(connections=CONNECTIONS), parameters)


def _nginx(lab: Lab) -> TlsNginxOrigin:
    answer = _plan(H2()).answer
    assert answer is not None
    return TlsNginxOrigin(lab, answer, http2=True)
