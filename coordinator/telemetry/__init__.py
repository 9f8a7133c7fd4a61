"""Telemetry from InfluxDB; the coordinator never writes there."""
