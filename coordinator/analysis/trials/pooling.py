"""Which blocks may be analysed together: those with a sound environment, all of one fingerprint. Pure."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from coordinator.scheduling.digests import BlockDigest
from domain.hosts.fingerprints import FingerprintBlocks
from domain.trials.trial import TRANSIENT_REASONS, Finding, Reason

# Facts that change by themselves, or differ between like hosts: the boot and its exact memory, the name of the root
# disk. What a command line switches shows in the mitigations and in the number of CPUs.
_NOT_COMPARED = frozenset({"boot_id", "conntrack_entries", "memory_kib", "command_line"})
_SHOWN = 3  # facts that a sentence names
_LONGEST = 120  # characters of each value there: the fingerprint has it whole
_NAMED = 10  # fingerprints that a sentence names
_LISTED = 20  # fingerprints that a report lists, besides the one that is analysed


@dataclass(frozen=True)
class Fingerprints:
    """The different fingerprints of a campaign's blocks.

    ``reference`` has the compared facts of most blocks, of equals the earliest. Blocks with others are left out of
    every figure. ``groups`` has all facts of a group's first block, and the indexes of its blocks.
    """

    reference: Mapping[str, str]
    groups: Sequence[tuple[Mapping[str, str], tuple[int, ...]]]

    @classmethod
    def of(cls, found: Sequence[tuple[int, Mapping[str, str]]]) -> "Fingerprints":
        """The fingerprints of blocks, given with their indexes."""
        alike: dict[str, tuple[Mapping[str, str], list[int]]] = {}
        for index, fingerprint in found:
            alike.setdefault(lasting_id(fingerprint), (fingerprint, []))[1].append(index)
        groups = list(alike.values())
        reference = max(groups, key=lambda group: len(group[1]), default=({}, []))[0]
        return cls(lasting_facts(reference), [(facts, tuple(members)) for facts, members in groups])

    @property
    def listed(self) -> tuple[FingerprintBlocks, ...]:
        """The fingerprints as a report has them: the first ones, and the analysed one."""
        others = (group for group in self.groups[_LISTED:] if lasting_facts(group[0]) == self.reference)
        return tuple(
            FingerprintBlocks(
                id=fingerprint_id(facts),
                facts=dict(facts),
                blocks=blocks,
                analysed=lasting_facts(facts) == self.reference,
            )
            for facts, blocks in (*self.groups[:_LISTED], *others)
        )

    @property
    def sentence(self) -> str:
        """What was left out, and the reason; empty if all blocks have one fingerprint."""
        compared = [(lasting_facts(facts), members) for facts, members in self.groups]
        others = [(facts, members) for facts, members in compared if facts != self.reference]
        if not others:
            return ""
        parts = [
            f"block{'s' * (len(members) > 1)} {', '.join(map(str, members))} ({difference(facts, self.reference)})"
            for facts, members in others[:_NAMED]
        ]
        parts += [f"{len(others) - _NAMED} more fingerprints"] if len(others) > _NAMED else []
        return f"Blocks of different fingerprints are not pooled; left out: {'; '.join(parts)}."


def lasting_facts(fingerprint: Mapping[str, str]) -> dict[str, str]:
    """The facts of a fingerprint that two blocks must share: kernel, CPU, mitigations, versions and settings."""
    return {name: value for name, value in fingerprint.items() if name not in _NOT_COMPARED}


def lasting_id(fingerprint: Mapping[str, str]) -> str:
    """A text that is equal for fingerprints whose blocks may be analysed together."""
    return _lasting_id(frozenset(fingerprint.items()))


@lru_cache(maxsize=256)
def _lasting_id(facts: frozenset[tuple[str, str]]) -> str:
    shared = json.dumps(lasting_facts(dict(facts)), sort_keys=True, allow_nan=False)
    return hashlib.sha256(shared.encode()).hexdigest()


def fingerprint_id(facts: Mapping[str, str]) -> str:
    """Twelve digits that stand for the facts that blocks must share; empty without facts."""
    return lasting_id(facts)[:12] if facts else ""


def difference(facts: Mapping[str, str], reference: Mapping[str, str]) -> str:
    """In which facts a fingerprint differs from ``reference``, in words."""
    if not facts or not reference:
        return "no fingerprint" if not facts else "the others have no fingerprint"
    names = sorted(name for name in facts.keys() | reference.keys() if facts.get(name) != reference.get(name))
    shown = [f"{name} {_short(facts, name)}, not {_short(reference, name)}" for name in names[:_SHOWN]]
    more = [f"{len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
    return "; ".join([*shown, *more])


def _short(facts: Mapping[str, str], name: str) -> str:
    found = facts.get(name, "absent")
    return repr(found if len(found) <= _LONGEST else f"{found[:_LONGEST]}…")


def exclusion(block: BlockDigest, reference: Mapping[str, str]) -> Finding | None:
    """The finding that every trial of a block gets if the block does not count; ``None`` if it counts."""
    if lasting_id(block.fingerprint) != lasting_id(reference):
        facts = lasting_facts(block.fingerprint)
        detail = f"its block has another fingerprint: {difference(facts, reference)}"
        return Finding(reason=Reason.OTHER_FINGERPRINT, detail=detail[:500])
    disturbed = None if block.is_sound else _environment(block)
    if disturbed is None:
        return None
    label, finding = disturbed
    return Finding(reason=finding.reason, detail=f"in the same block, {label}: {finding.detail}"[:500])


def _environment(block: BlockDigest) -> tuple[str, Finding] | None:
    """The first finding against the environment, and its trial's label."""
    found = ((label, one) for label, trial in block.trials.items() for one in trial.findings)
    return next(((label, one) for label, one in found if one.reason in TRANSIENT_REASONS), None)
