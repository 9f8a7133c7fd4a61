"""The path of showdown-traffic, the project's generator and origin; ``make setup`` builds it."""

from pathlib import Path

NAME = "showdown-traffic"
PATH = Path(__file__).parent / "bin" / NAME
