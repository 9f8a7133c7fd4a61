"""What every request needs, kept once per application: settings, store, dispatcher and clock."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from flask import current_app

from coordinator.analysis.memory import Memory
from coordinator.config import Settings
from coordinator.scheduling.dispatch import Dispatcher
from coordinator.store.database import Store
from domain.report import CampaignReport
from domain.stacks import Stacks

EXTENSION = "showdown"


@dataclass(frozen=True)
class Services:
    """``clock`` gives seconds since the epoch, UTC."""

    settings: Settings
    store: Store
    dispatcher: Dispatcher
    clock: Callable[[], float]
    reports: Memory[CampaignReport] = field(default_factory=lambda: Memory(32))
    stacks: Memory[dict[str, Stacks]] = field(default_factory=lambda: Memory(4))  # by cell; a few megabytes each


def services() -> Services:
    """The current application's services."""
    return cast(Services, current_app.extensions[EXTENSION])
