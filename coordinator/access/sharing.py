"""Visitors of a read-only link: what they may see, how their browser remembers the link, and their answers' headers."""

from flask import Response, request

from coordinator.access.principal import Kind, Principal, present
from coordinator.services import services
from coordinator.store.people import shares
from domain.hosts.host_tokens import hash_of
from domain.service.scopes import Scope
from domain.values.names import is_campaign_id

OPEN = frozenset(
    {
        "web.campaign", "web.verdicts", "web.why", "web.trials", "web.trial", "web.flame_graphs", "web.progress",
        "web.report_file", "web.campaign_hosts", "comparisons.get_host_factor", "bundles.get_bundle",
        "campaigns.get_report", "campaigns.get_results", "campaigns.get_verdicts", "campaigns.get_expectations",
        "campaigns.get_results_csv", "campaigns.get_verdicts_csv", "campaigns.get_expectations_csv",
        "campaigns.get_carrying_csv", "campaigns.get_figures_csv", "exports.get_report_markdown", "exports.get_junit",
        "histograms.get_histogram_log", "histograms.get_trial_histogram_log",
        "trials.list_trials", "trials.get_trial", "trials.get_kernel_latency", "trials.get_flame_graph",
        "trials.get_folded_stacks", "charts.get_kernel_latency", "charts.get_stages",
        "stacks.list_stacks", "stacks.get_flame_graph", "stacks.get_folded_stacks", "tokens.get_me",
    }
)  # fmt: skip
"""The only routes that a link opens, and these for its campaign alone."""

PAGES = frozenset({"web.shared", "web.open_shared"})
_COOKIE = "showdown_share_"


def campaign_of_request() -> str:
    """The campaign that this request is about; empty if it is about none, or another thing."""
    named = request.view_args or {}
    found = str(named.get("campaign_id") or str(named.get("trial_id", "")).partition("-")[0])
    return found if is_campaign_id(found) else ""


def visitor() -> Principal | None:
    """Who has opened a link to this request's campaign in this browser; ``None`` if the link is void."""
    secret = request.cookies.get(_COOKIE + campaign_of_request(), "")
    return principal_with(secret) if secret else None


def has_opened() -> bool:
    """True if this browser has opened a link to this request's campaign, valid or not."""
    return _COOKIE + campaign_of_request() in request.cookies


def principal_with(secret: str, *, counts: bool = False) -> Principal | None:
    """Who sends the secret of a valid link. ``counts``: this is a use of it."""
    known = services()
    now = known.clock()
    with known.store.read() as session:
        row = shares.share_with(session, hash_of(secret), now)
    if row is None:
        return None
    if counts and not shares.is_use_noted(row, now):
        with known.store.write() as session:
            shares.note_use(session, row.id, now)
    return Principal(Kind.SHARE, row.id, Scope.READ, row.campaign_id)


def opened(secret: str) -> Principal | None:
    """Who opens a link in a browser, which is a use of it each time."""
    found, known = principal_with(secret), services()
    if found is not None:
        with known.store.write() as session:
            shares.note_use(session, found.name, known.clock())
    return found


def remember(response: Response, who: Principal, secret: str) -> None:
    """Let the browser remember an opened link until it is closed. Lax: links come from other sites."""
    secure = request.is_secure or services().settings.secure_cookies
    response.set_cookie(_COOKIE + who.campaign_id, secret, httponly=True, secure=secure, samesite="Lax")


def is_open_to(who: Principal) -> bool:
    """Whether a visitor may see what this request asks for."""
    if request.endpoint not in OPEN:
        return False
    return request.endpoint == "tokens.get_me" or campaign_of_request() == who.campaign_id


def is_shared() -> bool:
    """True for the request of a visitor."""
    who = present()
    return who is not None and who.kind is Kind.SHARE


def hide(response: Response) -> Response:
    """Keep what visitors see out of caches and search engines."""
    if is_shared() or request.endpoint in PAGES:
        response.headers["Cache-Control"] = "no-store"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Robots-Tag"] = "noindex, nofollow"
    return response
