"""The Celery side of a host: takes blocks, runs them, reports. The only package with a clock loop."""
