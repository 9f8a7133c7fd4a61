"""The files that a run keeps, and what it discards."""
