"""The settings of retention: how long ended campaigns are kept."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.values.texts import words_of


@dataclass(frozen=True)
class RetentionSettings:
    """How long ended campaigns are kept. Without an age, nothing is archived or deleted by itself.

    ``keep_last`` of each series and campaigns with one of ``keep_labels`` (``key`` or ``key=value``) stay at any age.
    """

    archive_after_days: float | None = None
    delete_after_days: float | None = None
    keep_last: int = 0
    keep_labels: tuple[str, ...] = ()

    @property
    def is_on(self) -> bool:
        """True if there is a rule."""
        return self.archive_after_days is not None or self.delete_after_days is not None


def retention_settings(env: Mapping[str, str]) -> RetentionSettings:
    """The rules; a label ``keep`` keeps a campaign unless other labels are set. Raises ``ValueError``."""
    found = RetentionSettings(
        archive_after_days=_days(env, "SHOWDOWN_ARCHIVE_AFTER_DAYS"),
        delete_after_days=_days(env, "SHOWDOWN_DELETE_AFTER_DAYS"),
        keep_last=_keep_last(env),
        keep_labels=words_of(env.get("SHOWDOWN_KEEP_LABELS", "") or "keep"),
    )
    if found.delete_after_days == 0 and not found.keep_last:
        raise ValueError("SHOWDOWN_DELETE_AFTER_DAYS=0 deletes every result at once; set SHOWDOWN_KEEP_LAST too")
    return found


def _days(env: Mapping[str, str], variable: str) -> float | None:
    value = env.get(variable, "")
    if value and not (value.isascii() and value.isdecimal() and len(value) <= 5):
        raise ValueError(f"{variable} must be a number of days")
    return float(value) if value else None


def _keep_last(env: Mapping[str, str]) -> int:
    value = env.get("SHOWDOWN_KEEP_LAST", "") or "0"
    if not (value.isascii() and value.isdecimal() and len(value) <= 5):
        raise ValueError("SHOWDOWN_KEEP_LAST must be a number of campaigns of each series")
    return int(value)
