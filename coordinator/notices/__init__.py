"""What leaves the coordinator when a rule finds a regression: webhooks and mail, from the outbox of the database."""
