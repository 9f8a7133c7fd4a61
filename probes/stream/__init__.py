"""The delivery pipeline into InfluxDB: queue, spool, accounts, transport. It does not depend on probes."""
