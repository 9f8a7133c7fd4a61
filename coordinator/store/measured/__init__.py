"""Attempts and trials with their digests, as the analysis and users read them."""
