"""The figures of a trial that its workload and its datapath declare besides the usual ones."""

from collections.abc import Sequence

from domain.trials.figures import TrialFigure, TrialFigures
from workers.datapaths.base import DatapathError, Figured
from workers.runner.attack_proof import attack_figures
from workers.runner.encryption import tls_figures
from workers.runner.evenness import evenness_figures
from workers.runner.flood_proof import flood_figures
from workers.runner.loss_proof import loss_figures
from workers.runner.trial_run import TrialRun
from workers.workloads.base import Observed, Workload


def declared(workload: Workload, trial_run: TrialRun, idle_cpu_s_per_s: float, began_s: float) -> TrialFigures:
    """The workload's, of the counted slices, then the datapath's and its attack's.

    ``began_s`` is when the block began, monotonic.
    """
    evidence = trial_run.evidence
    cpu, counted = evidence.cpu, sum(one.requests for one in trial_run.counted_slices)
    cpu_s = cpu.busy_beyond_s(idle_cpu_s_per_s, open_loop="latency" in trial_run.timings)
    of_workload = workload.figures(
        Observed(
            slices=tuple(trial_run.counted_slices),
            counters=evidence.counters,
            condition=evidence.condition,
            cpu_s=cpu_s,
            began_s=began_s,
            timings=trial_run.timings,
            named=trial_run.evidence.named,
            used=trial_run.used,
            counted_share=trial_run.counted_share,
            deaths=tuple(trial_run.deaths),
        )
    )
    if evidence.condition.syn_flood_per_s:
        of_attack = flood_figures(evidence.attack, evidence.counters, evidence.opened, evidence.attack_s)
    else:
        of_attack = attack_figures(evidence.attack, evidence.counters.denied_packets, evidence.attack_s)
    tls = evidence.encryption
    of_proxy = trial_run.used if tls.terminated else None
    proxy_s = of_proxy.cpu_s * trial_run.counted_share if of_proxy else 0.0
    requests = evidence.generated_requests
    of_tls = tls_figures(tls, evidence.negotiated, trial_run.timings, requests, counted, cpu_s, proxy_s)
    of_host = (*of_attack, *of_tls, *loss_figures(evidence.losses))
    more = (*_of_datapath(trial_run), *evidence.own_figures, *evenness_figures(evidence), *of_host)
    return of_workload.model_copy(update={"figures": (*of_workload.figures, *more)})


def _of_datapath(trial_run: TrialRun) -> Sequence[TrialFigure]:
    if not isinstance(trial_run.attachment, Figured):
        return ()
    try:
        return trial_run.attachment.figures()
    except DatapathError as error:
        trial_run.fail(error)
        return ()
