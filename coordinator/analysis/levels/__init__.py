"""Findings across levels: crossovers, where overload begins, tolerated attacks, costs of conditions. Pure."""
