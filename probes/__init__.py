"""BCC tracing probes, one per kernel stage, and the delivery of their readings to InfluxDB."""
