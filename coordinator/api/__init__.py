"""REST under /api/v1. Views are thin: decode, call, encode."""

from apiflask import APIFlask

from coordinator.api import (
    campaigns,
    catalogue,
    charts,
    comparisons,
    health,
    hosts,
    matrices,
    quarantine,
    stacks,
    trials,
    worker,
)

PREFIX = "/api/v1"


def register(app: APIFlask) -> None:
    """Add every blueprint of the API to ``app``."""
    for module in (campaigns, comparisons, charts, trials, stacks, catalogue, hosts, matrices, quarantine):
        app.register_blueprint(module.blueprint, url_prefix=PREFIX)
    app.register_blueprint(worker.blueprint, url_prefix=f"{PREFIX}/worker")
    app.register_blueprint(health.blueprint)
