"""What a campaign will take and show, before it is submitted: the same lines on the form and the command line. Pure."""

from domain.campaigns.budget import is_adaptive
from domain.campaigns.campaign import Campaign
from domain.loads.duration import duration_text
from domain.reports.planning import Plan
from domain.reports.report import MIN_PAIRS
from domain.values.frozen import Frozen
from domain.values.texts import counted


class Estimate(Frozen):
    """The size of a campaign, what to reconsider, and what its design shows."""

    size: str
    warnings: tuple[str, ...] = ()
    details: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """All of it."""
        return self.size, *(f"Warning: {warning}" for warning in self.warnings), *self.details


def estimate_of(campaign: Campaign, plan: Plan, hosts: tuple[str, ...] = ()) -> Estimate:
    """The estimate of a campaign with its plan; ``hosts`` will run it."""
    calibration = campaign.calibration_blocks * max(1, len(hosts))
    blocks = counted(campaign.total_blocks + calibration, "block")
    if calibration:
        blocks += f" ({calibration} of them calibration)"
    where = f" on {', '.join(hosts)}" if hosts else ""
    duration = duration_text(plan.duration_s)
    size = f"{blocks}, about {duration}{where}."
    if is_adaptive(campaign):
        size = f"{blocks}, then more until the budget is spent: at most about {duration}{where}."
    return Estimate(size=size, warnings=_warnings(campaign, plan), details=plan.sentences)


def _warnings(campaign: Campaign, plan: Plan) -> tuple[str, ...]:
    found = []
    if len(campaign.datapaths) < 2:
        found.append("one datapath alone is measured, but not compared; choose a second one")
    elif plan.most_blocks < MIN_PAIRS:
        found.append(
            f"a verdict needs {MIN_PAIRS} pairs, and {counted(plan.most_blocks, 'block')} per level "
            f"{'gives' if plan.most_blocks == 1 else 'give'} at most {plan.most_blocks}; use {MIN_PAIRS} blocks or more"
        )
    return tuple(found)
