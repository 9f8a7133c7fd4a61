"""Faults that a service meets: crashes at every step, disks that fail, servers that answer nonsense."""
