"""Hosts: their identity and protocol, their CPUs, and the noise that they may have. Pure."""
