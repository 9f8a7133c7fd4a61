"""What a datapath is measured under: workloads, load levels, conditions, and the metrics of each level. Pure."""
