"""histogram.h in C and domain.probes.sample in Python compute the same buckets."""

import random
import subprocess
from pathlib import Path

import pytest

from bpf.loader import ROOT
from domain.probes.sample import BUCKETS, FIRST_EXPONENT, LAST_EXPONENT, bucket_bounds_ns, bucket_index

MAIN = """
#include <stdio.h>
#include "histogram.h"
int main(void)
{
	unsigned long long value;
	printf("%d\\n", BUCKETS);
	while (scanf("%llu", &value) == 1)
		printf("%u\\n", bucket_index(value));
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("histogram")
    source, binary = directory / "main.c", directory / "main"
    source.write_text(MAIN)
    defines = [f"-DFIRST_EXPONENT={FIRST_EXPONENT}", f"-DLAST_EXPONENT={LAST_EXPONENT}"]
    command = ["gcc", "-Wall", "-Werror", *defines, f"-I{ROOT / 'include'}", "-o", str(binary), str(source)]
    subprocess.run(command, check=True)
    return binary


def test_c_and_python_compute_the_same_buckets(program: Path) -> None:
    rng = random.Random(7)
    edges = [bound + step for i in range(BUCKETS) for bound in bucket_bounds_ns(i) for step in (-1, 0, 1)]
    values = [max(0, edge) for edge in edges] + [rng.getrandbits(rng.randint(1, 64)) for _ in range(20_000)]
    text = "\n".join(map(str, [*values, 2**64 - 1]))
    answer = subprocess.run([str(program)], input=text, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    assert int(answer[0]) == BUCKETS
    assert [int(index) for index in answer[1:]] == [bucket_index(value) for value in [*values, 2**64 - 1]]
