"""Users: tokens, sessions, links, the audit log, and requests that are repeated."""
