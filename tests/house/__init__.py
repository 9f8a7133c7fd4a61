"""Checks of links, sizes, words, sentences and commit subjects; ``python -m tests.house`` runs the first four."""
