"""Several campaigns: comparisons, replicates, trends, schedules, rules, and what users write on campaigns. Pure."""
