"""What labs leave on a host, and what they change of the host itself: all of it by name."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from domain.hosts.environment import program_environment
from workers.lab import cgroups, cleanup, netns

PROGRAMS = frozenset({"haproxy", "nginx", "showdown-traffi", "showdown-relay", "wrk", "h2load"})
"""What labs run, as the kernel cuts its names; other processes with these names are not of Showdown."""

_LISTED: Mapping[str, tuple[str, ...]] = {
    "rule": ("ip", "rule"),
    "IPv6 rule": ("ip", "-6", "rule"),
    "route": ("ip", "route", "show", "table", "all"),
    "queueing discipline": ("tc", "qdisc", "show"),
    "nftables line": ("nft", "--stateless", "list", "ruleset"),
}
"""Of the host's own namespace: a line each. A BPF program lives as long as a process holds it, or one of these does."""
_SETTINGS = (
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/*",
    "net/ipv4/conf/default/*",
    "net/core/bpf_*",
    "kernel/bpf_stats_enabled",
)


@dataclass(frozen=True)
class Traces:
    """Names by their kind: of what labs make, and of what is the host's."""

    made: Mapping[str, frozenset[str]]
    host: Mapping[str, frozenset[str]]

    @classmethod
    def now(cls) -> "Traces":
        """The traces of this moment."""
        runs = cleanup.RUN_ROOT.glob("*") if cleanup.RUN_ROOT.is_dir() else ()
        made = {
            "namespace": frozenset(netns.names(cleanup.PREFIX)),
            "run directory": frozenset(one.name for one in runs if one.is_dir() and one != cleanup.REGISTER_DIR),
            "control group": frozenset(path.name for path in cgroups.root().glob("*") if path.is_dir()),
            "process": frozenset(_processes()),
            "pinned BPF object": frozenset(str(path) for path in Path("/sys/fs/bpf").glob("**/*")),
        }
        host = {kind: frozenset(_lines(argv)) for kind, argv in _LISTED.items()}
        host["device"] = frozenset(os.listdir("/sys/class/net"))
        host["setting"] = frozenset(_settings())
        return cls(made, host)

    def more_than(self, before: "Traces") -> Iterator[str]:
        """What is here and was not there ``before``; and what the host has no more."""
        for kind, names in [*self.made.items(), *self.host.items()]:
            known = before.made.get(kind) or before.host.get(kind) or frozenset()
            yield from (f"{kind} {name}" for name in sorted(names - known))
        for kind, names in before.host.items():
            yield from (f"gone: {kind} {name}" for name in sorted(names - self.host.get(kind, frozenset())))


def _processes() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            name = path.read_text().strip()
        except OSError:  # it has ended
            continue
        if name in PROGRAMS:
            yield f"{name} {path.parent.name}"


def _lines(argv: tuple[str, ...]) -> Iterator[str]:
    done = subprocess.run(argv, env=program_environment(os.environ), capture_output=True, text=True, check=True)
    yield from filter(None, map(str.strip, done.stdout.splitlines()))


def _settings() -> Iterator[str]:
    for pattern in _SETTINGS:
        for path in sorted(Path("/proc/sys").glob(pattern)):
            try:
                yield f"{path} = {path.read_text().strip()}"
            except OSError:  # some can only be written
                continue
