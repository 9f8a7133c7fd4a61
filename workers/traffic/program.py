"""Where the project's own generator and origin lies; ``make setup`` builds it."""

from pathlib import Path

NAME = "showdown-traffic"
PATH = Path(__file__).parent / "bin" / NAME
