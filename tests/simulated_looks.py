"""Simulated campaigns that add blocks: every look through the planner of looks and the analysis of verdicts."""

from dataclasses import dataclass

import numpy as np

from coordinator.analysis.inference.stage import Stage, stage_of
from coordinator.analysis.inference.weights import Noise
from coordinator.analysis.judgement.power import PastNoise, kind_of
from coordinator.analysis.judgement.precision import exactness_of, excess_of
from coordinator.analysis.judgement.verdicts import verdicts_of
from coordinator.analysis.trials.campaign_results import CampaignResults
from coordinator.scheduling.next_look import after_look, first_looks
from coordinator.scheduling.records import AttemptRecord
from domain.campaigns.campaign import Campaign
from domain.campaigns.focus import added_levels
from domain.loads.metric import metrics_of
from domain.reports.looks import Looks
from domain.reports.report import Family, Verdict
from tests.simulated import SPREADS, Host, Truth, a_campaign, all_blocks, words_of

BLOCK_S = 4.0
MOST_BLOCKS = 60  # per level


@dataclass(frozen=True)
class Run:
    """One campaign: its verdicts at each look, and its looks."""

    verdicts: tuple[tuple[Verdict, ...], ...]
    looks: Looks

    @property
    def blocks(self) -> int:
        """Blocks per level at the end."""
        return self.looks.taken[-1].blocks

    def words(self, family: Family = Family.PRIMARY) -> list[Verdict]:
        """The words of all looks: a user sees each of them."""
        return [word for found in self.verdicts for word in words_of(found, family)]


def run(campaign: Campaign, rng: np.random.Generator, kind: str, truth: Truth) -> Run:
    """Run a campaign that adds blocks to its end; a block takes :data:`BLOCK_S` seconds."""
    host, shapes = Host(rng, kind, truth), len(added_levels(campaign))
    planned = all_blocks(campaign, MOST_BLOCKS)
    attempts: list[AttemptRecord] = []
    looks, verdicts = first_looks(campaign, campaign.total_blocks), []
    while looks.next is not None:
        attempts += [host.run(block) for block in planned[len(attempts) : looks.next.until]]
        data = CampaignResults(campaign, tuple(attempts), 7, {})
        looks = after_look(
            campaign,
            looks,
            shapes=shapes,
            elapsed_s=BLOCK_S * len(attempts),
            round_s=BLOCK_S * shapes,
            excess=excess_of(exactness_of(data, Stage())),
        )
        record = {"state": "running" if looks.next else "complete", "looks": looks.model_dump(mode="json")}
        verdicts.append(verdicts_of(data, {}, stage_of(campaign, record, attempts)))
    return Run(tuple(verdicts), looks)


def past_noises() -> list[PastNoise]:
    """The noise of the simulated host as the planner would know it from earlier campaigns."""
    campaign, found = a_campaign(), []
    for level, spreads in SPREADS.items():
        load = campaign.levels[level]
        for metric, spread in zip(metrics_of(load), spreads[: len(metrics_of(load))], strict=False):
            noise = Noise(spread**2, 100)
            traffic_s = campaign.slices * campaign.slice_s_at(load)
            found.append(PastNoise("http_keepalive", str(load), kind_of(load), metric, noise, traffic_s))
    return found
