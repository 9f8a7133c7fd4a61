"""Which blocks ran with which fingerprint."""

from pydantic import Field

from domain.values.bounds import Fingerprint
from domain.values.frozen import Frozen


class FingerprintBlocks(Frozen):
    """The blocks that ran with one fingerprint: one kernel, CPU, set of mitigations, of versions and of settings."""

    id: str = Field(default="", description="Of the facts that blocks must share: equal facts have equal ids.")
    facts: Fingerprint = Field(description="As the worker reported them with the first of these blocks.")
    blocks: tuple[int, ...] = Field(description="Their indexes.")
    analysed: bool = Field(description="False if they are left out, because most blocks have another fingerprint.")
