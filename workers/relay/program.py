"""Where the project's own relay lies; ``make setup`` builds it."""

from pathlib import Path

NAME = "showdown-relay"
PATH = Path(__file__).parent / "bin" / NAME
