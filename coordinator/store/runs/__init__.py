"""Several campaigns: schedules, series, rules, notices, and the outbox of their messages."""
