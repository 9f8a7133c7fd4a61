"""Matrices of traits for tests."""

from datetime import UTC, datetime
from typing import Any

from domain.trials.traits import Answer, Finding, TraitMatrix, TraitRow, TraitWords

TRAITS = (
    TraitWords(name="client_address", title="client address kept", summary="Both ends are looked at."),
    TraitWords(name="udp", title="UDP", summary="A datagram goes and comes back."),
)


def row(datapath: str, function: str = "forward", **answers: tuple[Answer, str]) -> TraitRow:
    """All "yes" but for ``answers``."""
    found = {trait.name: (Answer.YES, f"Seen of {datapath}.") for trait in TRAITS} | answers
    return TraitRow(
        datapath=datapath,
        function=function,
        duration_s=2.5,
        findings={name: Finding(answer=answer, evidence=why) for name, (answer, why) in found.items()},
    )


def matrix(*rows: TraitRow, host: str = "h1", **changes: Any) -> TraitMatrix:
    """Of one host."""
    made = {"kernel": "6.18.0", "version": "0.1.0", "commit": "abc"}
    when = datetime(1970, 1, 4, 5, 6, 7, tzinfo=UTC)  # before the coordinator's clock in tests
    return TraitMatrix(**{"host": host, "measured_at": when, "traits": TRAITS, "rows": rows, **made, **changes})
