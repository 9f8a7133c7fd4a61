"""The burner of the bench of known truths: its cost is found on this kernel, and a broken one's is not."""

from contextlib import ExitStack

import pytest

from tests.bench.truth.blocks import patience
from tests.bench.truth.burner import Burner
from tests.bench.truth.burning import burning
from tests.host_noise import in_windows
from tests.variants import DATAPATHS
from workers.datapaths.base import Attachment
from workers.lab.lab import Lab

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.alone,
    pytest.mark.usefixtures("kernel"),
    pytest.mark.timeout(900),  # host noise repeats its windows
]

BURN_NS = 4000
SHORT = {"slices": 2, "slice_s": 0.3}


class Broken(Burner):
    """Should burn, and burns nothing."""

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        """Without its time."""
        asked, self.burn_ns = self.burn_ns, 0
        try:
            return super().attach(lab, stack)
        finally:
            self.burn_ns = asked


@pytest.fixture(autouse=True)
def _few_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block has few attempts: steal spoils one block; on a busy host the window is repeated instead."""
    monkeypatch.setattr(patience, "attempts", 3)


@in_windows
def test_what_a_program_burns_is_priced_and_what_a_broken_one_does_not_burn_is_not_found() -> None:
    burners = {"burn_4000": Burner(BURN_NS), "burn_broken": Broken(BURN_NS)}
    whole, broken = burning(burners, "closed(64)", 5, SHORT)
    assert whole.known == pytest.approx(BURN_NS, rel=0.05)  # by the program's own count
    # Five short blocks: the interval must reach to within 25 % of the truth, and be narrow enough to say something.
    assert whole.low is not None
    assert whole.high is not None
    assert 0 < whole.low <= 1.25 * BURN_NS, whole
    assert whole.high >= 0.75 * BURN_NS, whole
    assert whole.high - whole.low <= 1.5 * BURN_NS, whole
    assert broken.known == pytest.approx(0, abs=50)
    assert broken.value == pytest.approx(0, abs=0.25 * BURN_NS), broken
    assert broken.found is False


def test_no_campaign_can_name_a_burner() -> None:
    assert not any(isinstance(datapath, Burner) for datapath in DATAPATHS.values())
    assert "burner" not in DATAPATHS
