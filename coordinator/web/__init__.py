"""The web pages: sign in, submit, watch, read. Views are thin: decode, call the functions of REST, render.

The content security policy forbids inline scripts and content from other sites. Pages work without JavaScript; htmx
only refreshes them.
"""

from coordinator.web import (
    api_page,
    campaign_actions,
    campaign_list_page,
    campaign_page,
    combine_page,
    compare_page,
    flames,
    form_page,
    host_page,
    keeping_page,
    matrix_page,
    notice_page,
    oidc_page,
    quarantine_page,
    reasons_page,
    report_file,
    schedule_page,
    share_page,
    tokens_page,
    trend_page,
    trial_page,
    trust_page,
    views,
)
from coordinator.web.entry import blueprint

__all__ = [
    "api_page",
    "blueprint",
    "campaign_actions",
    "campaign_list_page",
    "campaign_page",
    "combine_page",
    "compare_page",
    "flames",
    "form_page",
    "host_page",
    "keeping_page",
    "matrix_page",
    "notice_page",
    "oidc_page",
    "quarantine_page",
    "reasons_page",
    "report_file",
    "schedule_page",
    "share_page",
    "tokens_page",
    "trend_page",
    "trial_page",
    "trust_page",
    "views",
]
