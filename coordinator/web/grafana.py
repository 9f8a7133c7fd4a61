"""Links to the provisioned Grafana dashboards, for the subject and time of a page; empty if no Grafana is configured.

They contain the address of the web pages, so that the dashboards can link back.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from flask import request

from coordinator.access.sharing import is_shared
from coordinator.config import LOOPBACK
from coordinator.services import services
from domain.campaigns.campaign import Campaign

# The uids of the dashboards, which dashboards/ keeps stable.
CAMPAIGN = "showdown"
KERNEL_LATENCY = "showdown-kernel-latency"
HOSTS = "showdown-hosts"

SLACK_MS = 5_000  # before and after the range: coordinator's and workers' clocks may differ a little


def campaign_link(view: Mapping[str, Any]) -> str:
    """A campaign from its start to its end, or to now."""
    return _link(CAMPAIGN, view["started_at"] or view["created_at"], view["ended_at"], campaign=view["id"])


def trial_link(trial: Mapping[str, Any], campaign: Campaign) -> str:
    """The kernel latency of a trial's cell on its host, during its block.

    The second datapath is the campaign's reference; for the reference itself, it is the first other datapath.
    """
    others = (label for label in (campaign.reference_label, *campaign.labels) if label != trial["datapath"])
    against = next(others, campaign.reference_label)
    cell = {name: trial[name] for name in ("campaign", "host", "datapath", "workload", "level")}
    return _link(KERNEL_LATENCY, trial["claimed_at"], trial["ended_at"], **cell, against=against)


def hosts_link() -> str:
    """All hosts, now."""
    return _link(HOSTS, None, None)


def _link(dashboard: str, begin: str | None, end: str | None, **variables: str) -> str:
    settings = services().settings
    if not settings.grafana_url or is_shared():
        return ""
    query: dict[str, str | int] = {f"var-{name}": value for name, value in variables.items()}
    if web_url := settings.web_url or _asked_for():
        query["var-showdown_url"] = web_url
    if begin:
        query |= {"from": _milliseconds(begin) - SLACK_MS, "to": _milliseconds(end) + SLACK_MS if end else "now"}
    return f"{settings.grafana_url}/d/{dashboard}?{urlencode(query)}"


def _asked_for() -> str:
    """The address of this request; empty if its name may be the client's invention."""
    is_known = services().settings.trusted_hosts or _name_in(request.host) in LOOPBACK
    return request.url_root.rstrip("/") if is_known else ""


def _name_in(host: str) -> str:
    """The host without its port."""
    name, _, port = host.rpartition(":")
    return name if port.isdigit() and name else host


def _milliseconds(at: str) -> int:
    return round(datetime.fromisoformat(at).timestamp() * 1000)
