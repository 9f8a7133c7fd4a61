"""Reading back what was validated before it was kept: large values are then decoded when somebody asks for them."""

from collections.abc import Mapping

from pydantic import ValidationInfo

KEPT: Mapping[str, bool] = {"kept": True}
"""The pydantic context of a text that this program has validated and written itself; of no other text."""


def is_kept(info: ValidationInfo) -> bool:
    """True within a validation that was given :data:`KEPT`."""
    return info.context is KEPT
