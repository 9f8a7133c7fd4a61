"""Grafana: the dashboards, their generator, and their provisioning."""
