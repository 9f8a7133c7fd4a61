"""Campaigns and blocks from submission to their end: plans, leases, searches, looks."""
