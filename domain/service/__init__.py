"""Between the parts of the service: messages, jobs, scopes, logs, and what troubles it. Pure."""
