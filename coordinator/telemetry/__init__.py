"""What the coordinator reads from InfluxDB; it never writes there."""
