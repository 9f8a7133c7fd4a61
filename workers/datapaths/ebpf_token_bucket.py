"""Policing in eBPF at tc ingress: a bucket for each client address in a hash map; packets above it are dropped.

The program forwards what it admits, as ``ebpf_redirect`` does. The routed path is closed.
"""

from contextlib import ExitStack

from workers.datapaths.base import Attachment, Datapath, Tracking
from workers.datapaths.lib import shaping, tc
from workers.lab.lab import Lab


class EbpfTokenBucket(Datapath):
    """One program per direction; that of the origin's side takes each packet's cost from its client's bucket."""

    name = "ebpf_token_bucket"
    function = "shape"
    summary = "eBPF at tc ingress polices each client with a token bucket in a map; what exceeds it is dropped."
    requires = ("bcc", "kernel_headers", "tc.bpf", "bpf.redirect_neigh")
    tracking = Tracking.NEVER

    def __init__(self) -> None:
        self._programs = tc.TcPrograms(self.name, ("shape", "free_at"), {"CLIENTS_KEPT": shaping.CLIENTS_KEPT})

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        return shaping.attach(self._programs, lab, stack)
