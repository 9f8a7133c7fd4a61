"""Grafana: the dashboard, the generator that writes it, and its provisioning."""
