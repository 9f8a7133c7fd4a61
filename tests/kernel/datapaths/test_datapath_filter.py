"""Every datapath that filters: it blocks what is listed, nothing else, and shows what it let through."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from domain.loads.condition import Condition
from domain.trials.trial import Reason
from tests.kernel.bench import Bench, new_tag, start_origin
from tests.kernel.datapaths.declared import of_function
from tests.variants import DATAPATHS
from workers.datapaths.base import Changing
from workers.lab import blocklist
from workers.lab.cleanup import CleanupRegister
from workers.lab.conditions import AppliedCondition, apply_condition
from workers.lab.lab import built
from workers.lab.spec import LabSpec
from workers.runner.attack_proof import attack_findings

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]
EVERY = pytest.mark.parametrize("name", of_function("filter"))
ENTRIES = 20


@contextmanager
def attacked(name: str, directory: Path, ip_version: int = 4) -> Iterator[tuple[Bench, AppliedCondition]]:
    """A lab with the datapath, its list, and a sender that waits."""
    condition = Condition(ip_version=ip_version, blocklist_entries=ENTRIES, attack_per_s=2000)
    datapath = DATAPATHS[name]
    spec = LabSpec(new_tag(), name, 1, disabled_offloads=datapath.disabled_offloads, ip_version=ip_version,
                   blocklist_entries=ENTRIES)  # fmt: skip
    with ExitStack() as stack:
        lab = stack.enter_context(built(spec, CleanupRegister(directory)))
        start_origin(lab)
        applied = stack.enter_context(apply_condition(lab, condition))
        yield Bench(lab, stack.enter_context(datapath.attached(lab))), applied


@EVERY
@pytest.mark.parametrize("ip_version", [4, 6])
def test_it_blocks_what_is_listed_and_passes_the_rest_while_its_list_changes(
    name: str, ip_version: int, tmp_path: Path
) -> None:
    with attacked(name, tmp_path, ip_version) as (b, applied):
        with applied.beside():
            assert b.get(20) == 20
            assert isinstance(b.attachment, Changing)
            assert b.attachment.change() == 2
        counters, attack = b.counters(), applied.attack()
        assert attack is not None
        assert attack.sent > 0
        assert list(attack_findings(attack, counters.denied_packets)) == []
        assert counters.packets is not None
        assert 20 <= counters.packets <= 20 * 3 + 10
        assert counters.offered_packets == counters.packets + attack.sent
        assert (counters.leaked_packets, counters.dropped_packets) == (0, 0)
        assert {one.name for one in b.attachment.figures()} == {"list_load_ms", "list_memory_mib"}


@EVERY
def test_an_entry_that_is_missing_shows(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack comes from one address more than are listed, so that one packet in 21 gets through."""
    monkeypatch.setattr(blocklist, "spoofed", lambda spec: ENTRIES + 1)
    with attacked(name, tmp_path) as (b, applied):
        with applied.beside():
            assert b.get(3) == 3
            time.sleep(0.1)  # 200 packets
        found = list(attack_findings(applied.attack(), b.counters().denied_packets))
        assert {reason for reason, _ in found} == {Reason.LET_THROUGH}
        assert len(found) == 2, "fewer were blocked than sent, and some were answered"
