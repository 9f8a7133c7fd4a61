"""Reading stored values that this program has validated before; large parts are decoded on first use."""

from collections.abc import Mapping

from pydantic import ValidationInfo

TRUSTED: Mapping[str, bool] = {"trusted": True}
"""The pydantic context for text that this program has validated and written itself, and for no other text."""


def is_trusted(info: ValidationInfo) -> bool:
    """True if this validation was given :data:`TRUSTED`."""
    return info.context is TRUSTED
