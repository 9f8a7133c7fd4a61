"""Grafana: the dashboards, the generator that writes them, and their provisioning."""
