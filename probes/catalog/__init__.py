"""One file per probe, discovered."""
