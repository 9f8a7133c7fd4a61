"""The delivery pipeline into InfluxDB: queue, spool, accounts, transport. Knows nothing of probes."""
