"""The path of the relay program, which ``make setup`` builds."""

from pathlib import Path

NAME = "showdown-relay"
PATH = Path(__file__).parent / "bin" / NAME
