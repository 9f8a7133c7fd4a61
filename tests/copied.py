"""New variants for tests: a datapath of each function, a probe and a workload, copied under other names."""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests import ROOT


@dataclass(frozen=True)
class Copy:
    """A variant's new name, and the paths of its files in the checkout, with ``{}`` for the variant's name."""

    family: str
    original: str
    files: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.original}_copy"

    def write(self, directory: Path) -> None:
        """Copy the files below ``directory``; only the variant's name changes in them."""
        words = re.compile(rf"(?<=[\"./]){self.original}(?=\"|\.c\b| import)")
        for file in self.files:
            source = ROOT / file.format(self.original)
            target = directory / file.format(self.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(words.sub(self.name, source.read_text()))


def _datapath(original: str) -> Copy:
    files = ("workers/datapaths/{}.py", "bpf/datapaths/{}.c", "tests/kernel/datapaths/test_datapath_{}.py")
    return Copy("datapaths", original, files)


DATAPATHS: Mapping[str, Copy] = {
    "forward": _datapath("ebpf_redirect"),
    "steer": _datapath("ebpf_sk_assign"),
    "splice": _datapath("ebpf_sockmap"),
    "balance": _datapath("ebpf_lb"),
    "terminate": _datapath("ebpf_sk_assign_tls"),
    "filter": _datapath("ebpf_tc_filter"),
    "defend": _datapath("ebpf_xdp_syncookie"),
    "shape": _datapath("ebpf_token_bucket"),
    "gateway": _datapath("gateway_sk_assign"),
}
"""By function. All are in eBPF, so that each copy has a C file, too."""
DATAPATH = DATAPATHS["forward"]
PROBE = Copy(
    "probes", "device_hop", ("probes/catalog/{}.py", "bpf/probes/{}.c", "tests/kernel/probes/test_probe_{}.py")
)
WORKLOAD = Copy("workloads", "tcp_rr", ("workers/workloads/{}.py", "workers/traffic/src/protocols/protocol_{}.c"))
COPIES = (*DATAPATHS.values(), PROBE, WORKLOAD)


def write_copies(directory: Path) -> None:
    """Write all copies, and a conftest.py with the fixtures of each directory that the checkout has them for."""
    for copy in COPIES:
        copy.write(directory)
    (directory / "conftest.py").write_text("from tests.conftest import *\n")
    for place in (path for path in (directory / "tests" / "kernel").iterdir() if path.is_dir()):
        if (ROOT / "tests" / "kernel" / place.name / "conftest.py").exists():
            (place / "conftest.py").write_text(f"from tests.kernel.{place.name}.conftest import *\n")


def build_generator(directory: Path) -> None:
    """Build showdown-traffic with the workload's C file, from a copy of the sources."""
    for place in ("workers/traffic", "workers/csrc"):
        shutil.copytree(
            ROOT / place, directory / place, dirs_exist_ok=True, ignore=shutil.ignore_patterns("bin", "*.py")
        )
    made = ["make", "-s", "-C", str(directory / "workers/traffic"), "CFLAGS=-O0"]  # nobody measures with it
    subprocess.run(made, check=True, capture_output=True, text=True)


def run(directory: Path, what: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run ``python -m tests.more_variants`` with the variants in ``directory``."""
    argv: Sequence[str] = [sys.executable, "-m", "tests.more_variants", str(directory), what, *map(str, arguments)]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=280)
