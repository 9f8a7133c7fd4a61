"""One file per workload, discovered; ``base`` is their contract."""
