"""REST under /api/v1. Views are thin: decode, call, encode."""

from apiflask import APIFlask

from coordinator.api import (
    campaign_list,
    campaigns,
    catalogue,
    charts,
    comparisons,
    exports,
    health,
    hosts,
    index,
    matrices,
    metrics,
    pausing,
    quarantine,
    stacks,
    submit,
    trials,
    worker,
)

PREFIX = "/api/v1"


def register(app: APIFlask) -> None:
    """Add every blueprint of the API to ``app``."""
    app.register_blueprint(index.blueprint)
    app.register_blueprint(metrics.blueprint)
    for module in (
        campaign_list, submit, campaigns, comparisons, exports, pausing, charts, trials, stacks, catalogue, hosts,
        matrices, quarantine,
    ):  # fmt: skip
        app.register_blueprint(module.blueprint, url_prefix=PREFIX)
    app.register_blueprint(worker.blueprint, url_prefix=f"{PREFIX}/worker")
    app.register_blueprint(health.blueprint)
