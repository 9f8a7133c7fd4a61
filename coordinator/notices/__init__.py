"""What leaves the coordinator after a regression, or at a campaign's end: webhooks and mail, from the outbox."""
