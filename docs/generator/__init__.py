"""The generated parts of the documents: what comes from the registries and models, so that it cannot go stale."""
