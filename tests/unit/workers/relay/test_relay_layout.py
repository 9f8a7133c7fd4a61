"""The statistics page has the same layout in C (src/stats_page.h) and in Python, compared by field name and offset."""

import struct
import subprocess
from pathlib import Path

import pytest

from tests.unit.workers.relay.relay_rig import RELAY
from workers.relay import stats_page

NAMES = stats_page.COUNTER_NAMES
# The initializer has one value per Python field. The compiler rejects it if the C structure has more fields or fewer.
SOURCE = """\
#include <stddef.h>
#include <stdio.h>
#include "stats_page.h"

struct counters every_field = {%(values)s};

int main(void)
{
%(lines)s
	return 0;
}
"""


def lines() -> list[str]:
    fields = [("struct counters", name) for name in NAMES]
    fields += [("struct stats_page", name) for name in (*stats_page.HEADER_FIELDS, "counters")]
    expressions = [f"offsetof({kind}, {name})" for kind, name in fields]
    expressions += ["sizeof(struct counters)", "STATS_PAGE_MAGIC", "STATS_PAGE_VERSION", "STATS_PAGE_SERVING"]
    return [f'\tprintf("%llu\\n", (unsigned long long)({each}));' for each in [*expressions, "STATS_PAGE_ENDED"]]


def run(directory: Path, names: tuple[str, ...] = NAMES) -> list[int]:
    """Compile the header, and print what it says about the fields that Python knows."""
    (directory / "layout.c").write_text(SOURCE % {"values": ", ".join("0" for _ in names), "lines": "\n".join(lines())})
    gcc = ["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{RELAY / 'src'}", "-o", "layout", "layout.c"]
    subprocess.run(gcc, cwd=directory, check=True, capture_output=True, timeout=60)
    done = subprocess.run([directory / "layout"], check=True, capture_output=True, text=True, timeout=10)
    return [int(line) for line in done.stdout.split()]


def test_c_and_python_agree_on_every_field(tmp_path: Path) -> None:
    word = struct.calcsize("=Q")
    assert run(tmp_path) == [
        *(number * word for number in range(len(NAMES))),
        *(number * word for number in range(len(stats_page.HEADER_FIELDS))),
        stats_page.HEADER_BYTES,
        stats_page.COUNTERS_BYTES,
        *(stats_page.MAGIC, stats_page.VERSION, stats_page.SERVING, stats_page.ENDED),
    ]


@pytest.mark.parametrize("names", [NAMES[:-1], (*NAMES, "more")])
def test_a_field_that_only_one_language_has_is_found(names: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        run(tmp_path, names)
