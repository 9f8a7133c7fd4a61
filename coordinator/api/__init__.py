"""REST under /api/v1. Views are thin: decode, call, encode."""

from apiflask import APIFlask

from coordinator.api import (
    audit_log,
    bundles,
    campaign_list,
    campaigns,
    catalogue,
    charts,
    combinations,
    comparisons,
    conditions,
    exports,
    health,
    histograms,
    hosts,
    index,
    matrices,
    metrics,
    notices,
    pausing,
    quarantine,
    rules,
    schedules,
    series,
    shares,
    stacks,
    submit,
    tokens,
    trials,
    trust,
    worker,
)

PREFIX = "/api/v1"


def register(app: APIFlask) -> None:
    """Add every blueprint of the API to ``app``."""
    app.register_blueprint(index.blueprint)
    app.register_blueprint(metrics.blueprint)
    for module in (
        campaign_list, submit, campaigns, comparisons, exports, histograms, bundles, pausing, charts, trials, stacks,
        catalogue, conditions, hosts, matrices, quarantine, schedules, series, combinations, trust, rules, notices,
        shares, tokens, audit_log,
    ):  # fmt: skip
        app.register_blueprint(module.blueprint, url_prefix=PREFIX)
    app.register_blueprint(worker.blueprint, url_prefix=f"{PREFIX}/worker")
    app.register_blueprint(health.blueprint)
