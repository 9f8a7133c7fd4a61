"""Tests; each folder below ``unit``, ``contract``, ``kernel`` and ``e2e`` mirrors a package."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The checkout."""
