"""eBPF programs in C, and the only module that imports bcc (bpf/loader.py)."""
