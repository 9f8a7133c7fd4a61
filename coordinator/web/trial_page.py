"""The page of one trial."""

from flask import render_template
from markupsafe import Markup

from coordinator.analysis.kernel.decomposition import of_trial
from coordinator.analysis.kernel.flamegraph import flame_svg, shares
from coordinator.api import campaigns as api
from coordinator.api.trials import path_of, trial_of
from coordinator.services import services
from coordinator.store.measured.trials import neighbours
from coordinator.web import grafana
from coordinator.web.entry import blueprint
from coordinator.web.initial_stage import largest_parts
from coordinator.web.stage_bars import trial_chart
from domain.campaigns.campaign import Campaign


@blueprint.get("/trials/<trial_id>")
def trial(trial_id: str) -> str:
    """One trial: its proof, its latency by stage, and the readings of probes and profiler."""
    found, result = trial_of(trial_id)
    campaign = Campaign.model_validate(api.get_view(found["campaign"])["campaign"])
    path = path_of([found["host"]])
    decomposition = of_trial(result, path)
    with services().store.read() as session:
        before, after = neighbours(session, found["campaign"], trial_id)
    stacks = result.stacks if result.stacks is not None and result.stacks.samples else None
    return render_template(
        "web/trial.html",
        trial=found,
        before=before,
        after=after,
        grafana=grafana.trial_link(found, campaign) if found["probes"] else "",
        roles=any(reading["role"] for reading in found["probes"]),
        chart=trial_chart(decomposition, found["load"], path.stages) if decomposition else None,
        longest=largest_parts(decomposition) if decomposition else "",
        stacks=stacks,
        shares=shares(stacks) if stacks else {},
        svg=Markup(flame_svg(f"trial {trial_id}", stacks)) if stacks else "",  # noqa: S704 (it escapes every name)
    )
