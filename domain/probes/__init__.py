"""What probes report: stages of a request's path, samples, stacks, and the account of telemetry. Pure."""
