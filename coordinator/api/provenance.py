"""What a line of a CSV file needs to say where it is from, without the rest of the report.

These are columns and no comment line: every line stays attributed when files are joined, sorted or filtered.
"""

from domain.reports.report import CampaignReport

_FACTS = (
    *("kernel", "cpu_model", "cpus", "virtualisation", "mitigations", "commit"),
    *("cpu_placement", "generator_priority"),
)


def provenance(report: CampaignReport) -> dict[str, str]:
    """The scope, the id of the fingerprint whose blocks are analysed, and its chief facts, by column."""
    analysed = next((found for found in report.fingerprints if found.analysed), None)
    facts = analysed.facts if analysed else {}
    return {
        "scope": report.answer.scope.text if report.answer else "",
        "fingerprint": analysed.id if analysed else "",
        **{f"fingerprint_{name}": facts.get(name, "") for name in _FACTS},
        "left_out": report.left_out,
    }
