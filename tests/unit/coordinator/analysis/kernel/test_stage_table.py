"""The table of a level's stages says of each trial what the trial alone says."""

import numpy as np
import pytest

from coordinator.analysis.kernel.path import StagePath
from coordinator.analysis.kernel.stage_table import StageTable
from coordinator.analysis.trials.digest import trial_digest
from coordinator.analysis.trials.digest_codec import decode, encode
from coordinator.analysis.trials.level_trials import LevelTrials
from coordinator.scheduling.digests import COUNTED, FIGURE, LACKS_FIGURE, TrialDigest
from domain.probes.place import Place
from domain.probes.watched import StageRole
from domain.trials.trial import ProbeReading
from tests.unit.coordinator.analysis.watched import a_trial, reading

LABELS = ("direct", "tproxy", "ebpf_sk_assign")
PATH = StagePath(
    {
        "run_queue": Place(order=70, within={"proxy": ("proxy_residence", "to_origin")}),
        "notify": Place(order=60, within={"": ("proxy_residence", "to_origin")}),
        "proxy_residence": Place(order=100),
        "device_hop": Place(order=30),
    }
)
KEYS = (("run_queue", "proxy"), ("notify", ""), ("proxy_residence", "to_origin"), ("device_hop", ""), ("unknown", ""))


def a_reading(rng: np.random.Generator, key: tuple[str, str]) -> ProbeReading:
    """Measured, not well enough, or without events."""
    kind = rng.integers(0, 5)
    if kind == 0:
        return reading(*key, 0.0, count=0, sum_ns=0, events=0.0, matched=None)
    return reading(*key, float(rng.integers(1, 300)), **({"matched": 0.5} if kind == 1 else {}))


def said_alone(trial: TrialDigest) -> tuple[dict[StageRole, float], set[StageRole]]:
    """Of one trial its parts, and the stages that had events but no figure; written without tables."""
    assert trial.stages is not None
    read = zip(trial.stages.keys, trial.stages.us, trial.stages.known, strict=True)
    readings = [one for one in read if PATH.holds(one[0].stage, one[0].role)]
    whole = {key: us for key, us, known in readings if known & FIGURE}
    own = dict(whole)
    for inner, us in whole.items():
        if (outer := PATH.outer(inner)) is not None and whole.get(outer):
            own[outer] -= us
    lacking = {key for key, _, known in readings if known & LACKS_FIGURE}
    for key in lacking:
        if (outer := PATH.outer(key)) is not None:
            own.pop(outer, None)
    present = {key for key, _, known in readings if known & COUNTED}
    around = {outer for key in lacking if (outer := PATH.outer(key)) is not None and outer in present}
    return own, (lacking | around) - own.keys()


@pytest.mark.parametrize("stored", [False, True])
def test_a_table_has_the_parts_of_each_trial(stored: bool) -> None:
    rng, blocks = np.random.default_rng(5), list[dict[str, TrialDigest]]()
    for index in range(30):
        chosen = LABELS if index % 3 else LABELS[1:]
        keys = [key for key in KEYS if index % 2 or key[0] != "notify"]
        trials = [a_trial(label, 400, [a_reading(rng, key) for key in keys]) for label in chosen]
        blocks.append({one.datapath: trial_digest(one) for one in trials})
    level = LevelTrials([decode(*encode(block)) for block in blocks] if stored else blocks, LABELS)
    table = StageTable(level, LABELS, PATH)
    assert StageRole("unknown") not in table.stages
    for index, block in enumerate(blocks):
        for label, trial in block.items():
            column, (expected, lacking) = table.column[label], said_alone(trial)
            found = {key: float(stage.parts_us[index, column]) for key, stage in table.stages.items()}
            assert {key: us for key, us in found.items() if us == us} == expected
            assert {key for key, stage in table.stages.items() if stage.unmeasured[index, column]} == lacking
        absent = [table.column[label] for label in LABELS if label not in block]
        assert not any(stage.has[index, absent].any() for stage in table.stages.values())
