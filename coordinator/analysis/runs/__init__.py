"""Findings across campaigns: comparisons, combined runs, series and trends. Pure."""
