"""The Celery side of a host: takes blocks from the coordinator, runs them, reports. The only room with a clock loop."""
