"""Which pages have a picture: how each is reached in the example, and what the documents say about it."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask

from tests.pictures.example import Example

HEIGHT = 1_500
"""Pixels of a picture at most: a longer page is cut off there."""


@dataclass(frozen=True)
class Page:
    """One page of the web interface, by the endpoint of its route."""

    name: str
    endpoint: str
    path: Callable[[Example], str]
    words: str
    signed_in: bool = True
    height: int = HEIGHT
    until: str = ""
    """A selector that appears when the page's scripts have drawn."""


def _of(tab: str) -> Callable[[Example], str]:
    return lambda example: f"/campaigns/{example.first}{tab}"


_CHART = ".uplot canvas"
PAGES: tuple[Page, ...] = (
    Page("sign-in", "sign_in", lambda _: "/sign-in", "Sign in with the token that `showdown up` prints.", False),
    Page("campaigns", "campaigns", lambda _: "/campaigns", "Every campaign with its outcome: search, filter, sort."),
    Page("new-campaign", "new_campaign", lambda _: "/campaigns/new", "A new campaign: presets, and an estimate."),
    Page("new-toml", "new_toml", lambda _: "/campaigns/new/toml", "The same as a TOML file."),
    Page("campaign", "campaign", _of(""), "A campaign's summary: the answer, one table, one chart, its scope."),
    Page("verdicts", "verdicts", _of("/verdicts"), "Verdicts: every figure with its interval."),
    Page("why", "why", _of("/why"), "Why: where a request's time went, by kernel stage.", until=_CHART),
    Page("trials", "trials", _of("/trials"), "Trials: each with its validity.", height=900),
    Page(
        "live",
        "live",
        lambda example: f"/campaigns/{example.running}/live",
        "Live: a campaign that is running.",
        until=_CHART,
    ),
    Page(
        "campaign-hosts",
        "campaign_hosts",
        lambda example: f"/campaigns/{example.two_hosts}/hosts",
        "Hosts: a campaign on several hosts, side by side.",
        height=1_000,
    ),
    Page("configuration", "configuration", _of("/configuration"), "Configuration: what was submitted, and where."),
    Page("trial", "trial", lambda example: f"/trials/{example.trial}", "A trial with its proof.", until=_CHART),
    Page("flame-graphs", "flame_graphs", _of("/flame-graphs"), "Flame graphs: what the CPUs did."),
    Page(
        "compare",
        "compare",
        lambda example: f"/compare?baseline={example.sides[0]}&other={';'.join(example.sides[1:])}",
        "Campaigns side by side with a baseline.",
    ),
    Page("trends", "trends", lambda _: "/trends", "Series: campaigns of one file and host."),
    Page("trend", "trend", lambda example: f"/trends/{example.series}", "One series over time, and what changed."),
    Page("combine", "combine", lambda example: f"/combine?series={example.series}", "Runs of one file together."),
    Page("trust", "trust", lambda _: "/trust", "How often a datapath was found to differ from itself."),
    Page("schedules", "schedules", lambda _: "/schedules", "Campaigns that start by themselves."),
    Page("notices", "notices", lambda _: "/notices", "Who gets a message when a campaign ends.", height=1_000),
    Page("keeping", "keeping", _of("/keeping"), "Labels, a note, the archive, and deletion."),
    Page(
        "cancel",
        "ask_to_cancel",
        lambda example: f"/campaigns/{example.running}/cancel",
        "A campaign is cancelled only after a question.",
    ),
    Page("hosts", "hosts", lambda _: "/hosts", "Hosts: what each can run, and what it lacks."),
    Page("matrix", "matrix", lambda _: "/matrix", "Matrix: what each datapath preserves and supports, by trying."),
    Page("shares", "shares", _of("/shares"), "Links that show one campaign to people without a token."),
    Page("tokens", "tokens", lambda _: "/tokens", "Tokens: who may read, submit or administer."),
    Page("audit", "audit_log_page", lambda _: "/audit", "Who did what, and when."),
    Page("quarantine", "quarantine", lambda _: "/quarantine", "What made an error and was set aside."),
    Page("reasons", "reasons", lambda _: "/reasons", "What each reason and each word means, and what to do."),
    Page("api", "api_document", lambda _: "/docs/api", "The REST API with examples."),
)

NO_PAGES = frozenset(
    {
        "static", "home", "headline", "campaign_rows", "progress", "trouble", "campaign_toml", "report_file",
        "shared", "sign_in_oidc", "finish_oidc",
    }
)  # fmt: skip
"""Endpoints with GET that are parts of pages, redirections or files."""


def without_picture(app: Flask) -> list[str]:
    """Endpoints of pages that are missing in :data:`PAGES`."""
    known = {page.endpoint for page in PAGES} | NO_PAGES
    rules = (rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ()))
    found = {match[1] for rule in rules if (match := re.fullmatch(r"web\.(\w+)", rule.endpoint))}
    return sorted(found - known)
