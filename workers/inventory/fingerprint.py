"""Everything about a host that could change a result, as strings."""

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from domain.hosts.environment import own_environment
from domain.hosts.placement import CPU_PLACEMENT, GENERATOR_PRIORITY
from domain.values.texts import error_text
from workers.lab import cgroup_limits, cpus, netns
from workers.lab.priority import real_time_priority

_CPU = Path("/sys/devices/system/cpu")
ROOT = Path(__file__).parents[2]
_VERSIONS = {
    "haproxy": (["haproxy", "-v"], r"version (\S+)"),
    "nginx": (["nginx", "-v"], r"nginx/(\S+)"),
    "wrk": (["wrk", "-v"], r"^wrk (\S+)"),
    "h2load": (["h2load", "--version"], r"nghttp2/(\S+)"),
    "openssl": (["openssl", "version"], r"^OpenSSL (\S+)"),
    "nft": (["nft", "-v"], r"nftables v(\S+)"),
}
_SYSCTLS = (
    "net/core/bpf_jit_enable",
    "net/core/default_qdisc",
    "net/core/netdev_budget",
    "net/core/netdev_max_backlog",
    "net/core/rmem_max",
    "net/core/wmem_max",
    "net/ipv4/tcp_congestion_control",
    "net/ipv4/tcp_rmem",
    "net/ipv4/tcp_wmem",
    "kernel/bpf_stats_enabled",
    "kernel/sched_autogroup_enabled",
    "vm/swappiness",
)


def fingerprint() -> dict[str, str]:
    """Facts by name. A fact that is unknown on this host says why."""
    return {
        "kernel": f"{platform.release()} {platform.version()}",
        "machine": platform.machine(),
        "command_line": _read(Path("/proc/cmdline")),
        "mitigations": _mitigations(),
        **_cpu(),
        **{f"version.{name}": _version(*how) for name, how in _VERSIONS.items()},
        "version.bcc": _bcc_version(),
        "version.python": platform.python_version(),
        **{f"sysctl.{name.replace('/', '.')}": _read(Path("/proc/sys", name)) for name in _SYSCTLS},
        "memory_kib": _first(r"^MemTotal:\s+(\d+)", _read(Path("/proc/meminfo"))),
        "clock_source": _read(Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")),
        "boot_id": _read(Path("/proc/sys/kernel/random/boot_id")),
        **_limits(cgroup_limits.own_limits()),
        "conntrack_entries": _read(Path("/proc/sys/net/netfilter/nf_conntrack_count")),
        "commit": commit(),
    }


def _cpu() -> dict[str, str]:
    info = _read(Path("/proc/cpuinfo"))
    flags = _first(r"^flags\s*:\s*(.*)$", info).split()
    return {
        "cpu_model": _first(r"^model name\s*:\s*(.*)$", info),
        "cpus": str(len(os.sched_getaffinity(0))),
        CPU_PLACEMENT: str(cpus.placement()),
        GENERATOR_PRIORITY: real_time_priority(),
        "governor": _read(_CPU / "cpu0/cpufreq/scaling_governor"),
        "turbo_off": _read(_CPU / "intel_pstate/no_turbo"),
        "smt": _read(_CPU / "smt/control"),
        "virtualisation": "hypervisor" if "hypervisor" in flags else "none seen",
    }


def _limits(found: cgroup_limits.Limits) -> dict[str, str]:
    return {"cgroup_cpu_limit": found.cpu_text, "cgroup_memory_limit": found.memory_text}


def _mitigations() -> str:
    folder = _CPU / "vulnerabilities"
    if not folder.is_dir():
        return f"unknown: no {folder}"
    return "; ".join(f"{file.name}: {_read(file)}" for file in sorted(folder.iterdir()))


def _version(argv: list[str], pattern: str) -> str:
    try:
        # wrk -v ends with status 1, nginx writes to standard error: so the exit status says nothing.
        done = netns.run_program(argv, timeout_s=5, check=False)
    except FileNotFoundError:
        return "absent"
    except (OSError, subprocess.SubprocessError) as error:
        return f"unknown: {error_text(error)}"
    return _first(pattern, done.stdout + done.stderr)


def _bcc_version() -> str:
    try:
        from importlib.util import find_spec

        spec = find_spec("bcc")
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None:
        return "absent"
    return _first(r"__version__ = '([^']+)'", _read(Path(spec.origin).with_name("version.py")))


def commit() -> str:
    """The checkout's commit, with ``-dirty`` if files differ from it; or why it is unknown. Never raises."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        return "unknown: not a git checkout"
    argv = [git, "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        environment = own_environment(os.environ)  # git looks for its settings in HOME
        done = subprocess.run(argv, env=environment, capture_output=True, encoding="utf-8", errors="replace", timeout=5)
    except (OSError, subprocess.SubprocessError) as error:
        return f"unknown: {error_text(error)}"
    return done.stdout.strip() or f"unknown: {done.stderr.strip()[:100]}"


def _first(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    return match[1].strip() if match else "unknown"


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError as error:
        return f"unknown: {error.strerror}"
