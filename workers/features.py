"""The names of host features, and how a variant says which of them it lacks (pure; see workers/capabilities.py)."""

from domain.jobs import HostCapabilities


def lacking(capabilities: HostCapabilities, *names: str) -> list[str]:
    """One sentence per feature in ``names`` that the host has not; a feature never probed counts as absent."""
    known = {feature.name: feature for feature in capabilities.features}
    sentences = []
    for name in names:
        feature = known.get(name)
        if feature is None:
            sentences.append(f"{name}: not known on this host.")
        elif not feature.present:
            sentences.append(" ".join(filter(None, [f"{name}: {feature.reason}", feature.remedy])))
            if name == "root":  # nothing else can be said without it
                break
    return sentences
