"""What every request needs, kept once per application: settings, store, dispatcher and clock."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from flask import current_app

from coordinator.config import Settings
from coordinator.dispatch import Dispatcher
from coordinator.store.database import Store

EXTENSION = "showdown"


@dataclass(frozen=True)
class Services:
    """``clock`` gives seconds since the epoch, UTC."""

    settings: Settings
    store: Store
    dispatcher: Dispatcher
    clock: Callable[[], float]


def services() -> Services:
    """The current application's services."""
    return cast(Services, current_app.extensions[EXTENSION])
