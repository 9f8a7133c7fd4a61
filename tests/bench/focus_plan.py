"""``python -m tests.bench.focus_plan``: what the reference campaign's focus can find, computed and not measured.

For 1 to 4 slices per focused trial: how many pairs fit into the budget by the planner's estimate. And which scatter of
a pair lets it find 3 % of CPU per request with 80 % power. With ``--database FILE`` (of ``showdown run --keep`` or
``showdown up``), also the planner's sentences with the noise of the campaigns in it.
"""

import argparse
import math
import sqlite3
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from sqlalchemy import select

from coordinator.analysis.inference.weights import Noise
from coordinator.analysis.judgement.plan_words import even_looks
from coordinator.analysis.judgement.power import PastNoise, PlannedDesign, kind_of, showable
from coordinator.store.lifecycle.planning import added_block_s, most_blocks, plan_of
from coordinator.store.rows.database import Store
from coordinator.store.rows.models import HostRow
from domain.campaigns.campaign import Campaign, read_campaign_toml
from domain.campaigns.focus import added_levels
from domain.loads.metric import Metric
from domain.reports.planning import Showable
from tests import ROOT
from tests.orderly import ends_in_order
from tests.simulated import FUNCTIONS

REFERENCE = ROOT / "deploy" / "campaigns" / "showdown.toml"
WANTED = 0.03
MANY = 1_000  # degrees of freedom of a noise that is known well


def reference(slices: int | None = None) -> Campaign:
    """The reference campaign, with so many slices per focused trial."""
    campaign = read_campaign_toml(REFERENCE.read_text())
    return campaign if slices is None else campaign.model_copy(update={"focus_slices": slices})


def found(campaign: Campaign, whole: float, focused: float) -> Showable:
    """What the planner says about CPU per request if a pair scatters so much in blocks of all and in focused ones."""
    past = []
    for level in added_levels(campaign):
        load = campaign.levels[level]
        for slices, spread in ((campaign.slices, whole), (campaign.focus_slices or campaign.slices, focused)):
            noise = Noise(spread**2 / 2, MANY)
            past.append(
                PastNoise(
                    campaign.workloads[0], str(load), kind_of(load), Metric.CPU_US_PER_REQUEST, noise,
                    slices * campaign.slice_s_at(load),
                )
            )  # fmt: skip
    looks = even_looks(campaign.blocks, most_blocks(campaign, hosts=1))
    (one,) = (
        one
        for one in showable(PlannedDesign(campaign, FUNCTIONS, "direct"), looks, past)
        if one.metric is Metric.CPU_US_PER_REQUEST
    )
    return one


def needed(campaign: Campaign, between: float) -> float:
    """The scatter of a pair in trials of one slice with which :data:`WANTED` is found.

    Of its variance, the share ``between`` is between blocks. The rest is averaged over the slices of a trial.
    """
    share = math.sqrt(between + (1 - between) / (campaign.focus_slices or campaign.slices))
    low, high = 0.0, 0.5
    for _ in range(40):
        middle = (low + high) / 2
        shown = found(campaign, middle, middle * share).difference
        low, high = (middle, high) if shown is not None and shown <= WANTED else (low, middle)
    return low


def sentences(database: Path) -> Sequence[str]:
    """The planner's, with the noise of the campaigns in a copy of that database."""
    with tempfile.TemporaryDirectory(prefix="showdown-bench-") as directory:
        copy = Path(directory) / "showdown.sqlite"
        with (
            closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as one,
            closing(sqlite3.connect(copy)) as two,
        ):
            one.backup(two)
        store = Store(f"sqlite:///{copy}")
        try:
            store.migrate()
            with store.read() as session:
                hosts = [row.capabilities for row in session.scalars(select(HostRow))]
                return plan_of(session, reference(), hosts).sentences
        finally:
            store.close()


def main(arguments: list[str]) -> int:
    """Print the table; see the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.focus_plan", description=__doc__)
    parser.add_argument("--database", type=Path, help="of a coordinator whose campaigns' noise counts")
    given = parser.parse_args(arguments)
    for slices in (1, 2, 3, 4):
        campaign = reference(slices)
        one, level = found(campaign, 0.05, 0.05), added_levels(campaign)[0]
        spreads = ", ".join(
            f"{100 * needed(campaign, share):.1f} % (share {share:g} between blocks)" for share in (0, 0.5, 1)
        )
        block_s = added_block_s(campaign, level)
        print(f"{slices} slices, {block_s:.1f} s a block: {one.pairs} pairs in {one.blocks} blocks per focused level;")
        print(f"  3 % is found if a pair of 1 s scatters by {spreads}")
    for sentence in sentences(given.database) if given.database else ():
        print(sentence)
    return 0


if __name__ == "__main__":
    ends_in_order()
    sys.exit(main(sys.argv[1:]))
