"""The private stack of one machine: Redis, InfluxDB, coordinator and worker as children of one process."""
