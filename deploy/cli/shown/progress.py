"""Progress on standard error: a bar on a terminal, about ten lines per campaign elsewhere."""

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.cli.errors import CampaignPaused, Unreachable
from deploy.cli.rest.answers import read_answer
from deploy.cli.rest.client import ENDED, Coordinator
from deploy.cli.shown.planning import may_add_blocks, precision_reached
from deploy.cli.shown.state import drained_lines
from deploy.cli.shown.trouble import TroubleWatcher
from domain.campaigns.campaign import CALIBRATION
from domain.reports.outcome import PAUSED_BY_USER, Tally, reasons_text

POLL_S = 2.0  # polling costs CPU on the measured host
UNREACHABLE_AFTER_S = 30.0  # a coordinator may be restarted during a campaign
_REFRESH_PER_S = 2


class Display:
    """Shows the progress of a campaign. A context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said: set[str] = set()
        self._last_tenth: tuple[str, int, bool] | None = None
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("block"),
            MofNCompleteColumn(separator=" of "),
            TextColumn("{task.fields[cell]}"),
            TextColumn("{task.fields[left]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            refresh_per_second=_REFRESH_PER_S,
        )
        self._task = self._bar.add_task("starting", total=None, cell="", left="")

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._bar.stop()

    def say(self, text: str) -> None:
        """Print one permanent line."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=not self._console.is_terminal)

    def show(self, campaign: Mapping[str, Any]) -> None:
        """Show a campaign as returned by ``GET /campaigns/<id>``."""
        for line in drained_lines(campaign):
            if line not in self._said:
                self._said.add(line)
                self.say(line)
        state = "paused" if campaign.get("paused") else str(campaign["state"])
        done, total = int(campaign["blocks_done"]), int(campaign["blocks_total"])
        cell, left = campaign["progress"]["cell"], time_left(campaign)
        if self._console.is_terminal:
            now = current_cell(campaign)
            left = ", ".join(text for text in (trials_text(campaign), left, precision_reached(campaign)) if text)
            self._bar.update(self._task, description=state, completed=done, total=total, cell=now, left=left)
            return
        # A line per tenth of the campaign, for logs: and when the first trial is invalid.
        trials = trials_text(campaign)
        tenth = (state, 10 * done // max(total, 1), bool(trials))
        if tenth != self._last_tenth:
            self._last_tenth = tenth
            now = f"now {cell_text(cell)}" if cell else ""
            details = (f"{state}: block {done} of {total} done", trials, now, left, precision_reached(campaign))
            self.say(", ".join(detail for detail in details if detail))


def current_cell(campaign: Mapping[str, Any]) -> str:
    """The cell under traffic, in words; empty without traffic."""
    cell = campaign["progress"]["cell"]
    if not cell:
        return ""
    where = cell_text(cell)
    return f"{where}, {cell['datapath']}" if cell["datapath"] else where


def cell_text(cell: Mapping[str, Any]) -> str:
    """Workload and level, in words."""
    if cell["level"] == CALIBRATION:
        return f"{cell['workload']}, calibration"
    return f"{cell['workload']} at {cell['level']}"


def trials_text(campaign: Mapping[str, Any]) -> str:
    """How many trials are invalid, and for which reasons; empty if none is, or if the coordinator does not say."""
    tally = read_answer(Tally, campaign.get("tally") or {}, "the tally of trials")
    if not tally.invalid:
        return ""
    return f"{tally.invalid:,} of {tally.valid + tally.invalid:,} trials invalid ({reasons_text(tally.reasons)})"


def time_left(campaign: Mapping[str, Any]) -> str:
    """The time left, in words; empty if unknown."""
    left_s = campaign["progress"]["left_s"]
    if left_s is None:
        return ""
    minutes, seconds = divmod(round(left_s), 60)
    about = "at most" if may_add_blocks(campaign) else "about"
    return f"{about} {minutes} min {seconds:02} s left" if minutes else f"{about} {seconds} s left"


def follow(
    coordinator: Coordinator,
    campaign_id: str,
    display: Display,
    *,
    each_time: Callable[[], None] = lambda: None,
    until: Callable[[], bool] = lambda: False,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> str:
    """Watch a campaign until it has ended or ``until`` is true; returns its state.

    ``each_time`` runs before every poll. Raises :class:`Unreachable` after ``UNREACHABLE_AFTER_S`` without an answer.
    Raises :class:`CommandError` after ``TROUBLE_AFTER_S`` of a trouble that keeps campaigns from their work, and
    :class:`CampaignPaused` if it waits for its user.
    """
    heard_s = clock()
    watcher = TroubleWatcher(coordinator, display, clock)
    while True:
        each_time()
        watcher.look()
        try:
            campaign = coordinator.campaign(campaign_id)
        except Unreachable:
            if clock() - heard_s > UNREACHABLE_AFTER_S:
                raise
        else:
            heard_s = clock()
            display.show(campaign)
            if campaign["state"] in ENDED or until():
                return str(campaign["state"])
            if campaign.get("paused") not in (None, "", PAUSED_BY_USER):  # a user who pauses it goes on, too
                raise CampaignPaused(campaign_id, str(campaign["paused"]))
        sleep(POLL_S)


def await_end(coordinator: Coordinator, campaign_id: str) -> str:
    """Follow a campaign on standard error to its end; returns its state. After an interrupt, it says what goes on."""
    try:
        with Display(Console(stderr=True)) as display:
            return follow(coordinator, campaign_id, display)
    except KeyboardInterrupt:
        click.echo(
            f"campaign {campaign_id} goes on: 'showdown watch {campaign_id}' shows its progress, "
            f"'showdown cancel {campaign_id}' ends it",
            err=True,
        )
        raise
