"""The private stack of one host: Redis, InfluxDB, coordinator and worker as children of one process."""
