"""What this host has: kernel features found by trying, programs, fingerprint, the state of its telemetry."""
