"""The cleanup register: every kernel object is in it before it is made, so a sweep finds what a killed worker left."""

import random
from pathlib import Path
from unittest import mock

from tests.faults.disk import Disk
from tests.faults.lives import Life, age
from workers.lab import cleanup
from workers.lab.cleanup import CleanupRegister, sweep

_TAG = "abc123"


class RegisterLife(Life):
    """A lab with namespaces, a run directory and a cgroup; the kernel is a set of names."""

    survives_power_failures = False  # the kernel objects end with the machine, too

    def __init__(self, root: Path, rng: random.Random) -> None:
        super().__init__(root, rng)
        self.directory = root / "register"
        self.kernel: set[str] = set()

    def live(self, disk: Disk) -> None:
        register = CleanupRegister(self.directory)
        objects = [(register.add_netns, register.forget_netns, f"sd-{_TAG}-{role}") for role in ("client", "dut")]
        objects.append((register.add_run_dir, register.forget_run_dir, f"{_TAG}-direct"))
        objects.append((register.add_cgroup, register.forget_cgroup, f"/sys/fs/cgroup/sd-{_TAG}"))
        for add, _, name in objects:
            add(_TAG, name)
            disk.point()
            self.kernel.add(name)
            disk.point()
        for _, forget, name in reversed(objects):
            self.kernel.remove(name)
            disk.full = self.rng.random() < 0.3
            disk.point()
            forget(_TAG, name)
            disk.full = False

    def recover(self, disk: Disk) -> None:
        def remove(name: str) -> list[str]:
            disk.point()
            self.kernel.discard(name)
            disk.point()
            return [name]

        parts = dict.fromkeys(("remove_netns", "remove_run_dir", "remove_cgroup"), remove)
        with mock.patch.multiple(cleanup, **parts):
            sweep(self.directory)

    def check(self, *, power: bool) -> None:
        age(self.directory)
        self.recover(Disk(self.root))
        assert not self.kernel, f"no sweep finds {self.kernel}"
        if self.directory.is_dir():
            assert list(self.directory.iterdir()) == [], "left over"
