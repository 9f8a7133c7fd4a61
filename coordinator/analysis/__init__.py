"""From accepted trials to verdicts: pure functions of records; no store, no clock, no request."""
