"""Which blocks each document has, and where their content comes from."""

from collections.abc import Callable, Mapping
from functools import partial

from docs.generator import fields, glossary, results, scenarios, thresholds, variants

Block = Callable[[], str]

DOCUMENTS: Mapping[str, Mapping[str, Block]] = {
    "README.md": {"datapaths": variants.datapaths_in_short},
    "coordinator/web/glossary.toml": {"glossary": glossary.terms},
    "deploy/campaigns/catalogue.toml": {"datapaths": variants.catalogue_list},
    "docs/campaigns.md": {
        "campaign fields": fields.campaign_fields,
        "workloads": variants.workloads_table,
        "parameters": variants.parameters_table,
    },
    "docs/conditions.md": {"condition terms": fields.condition_terms, "condition fields": fields.condition_fields},
    "docs/datapaths/index.md": {
        "datapaths": variants.datapaths_in_full,
        "datapath limits": variants.datapath_limits,
    },
    "docs/method.md": {
        f"thresholds: {section}": partial(thresholds.thresholds_table, section)
        for section in ("design", "validity", "margins", "statistics", "looks", "capacity", "probes")
    },
    "docs/probes/index.md": {"probes": variants.probes_table},
    "docs/reading-results.md": {
        "verdicts": results.verdicts_table,
        "families": results.families_table,
        "reasons": results.reasons_table,
        "exit statuses": results.exit_statuses_table,
        "telemetry losses": results.losses_table,
    },
    **{
        f"docs/scenarios/{name}.md": {f"measured by {one}": partial(scenarios.found_by, one) for one in (name, *more)}
        for name, *more in (
            ("balance_100", "balance_join"),
            ("failover",),
            ("filter", "filter_million"),
            ("flood", "flood_limit"),
            ("gateway",),
            ("memory",),
            ("network",),
            ("shape",),
            ("tls",),
            ("udp", "udp_gso"),
        )
    },
}
