"""BCC tracing probes: one kernel stage each, and their streaming into InfluxDB."""
