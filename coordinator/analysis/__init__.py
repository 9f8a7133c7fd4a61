"""From accepted trials to verdicts: pure functions of records, without store, clock or request."""
