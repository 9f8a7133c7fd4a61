"""``--help`` and the README list the same options, with the limits of the tables that parse them."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.unit.workers.traffic.traffic_rig import TRAFFIC, load, program, target


def help_of(mode: str) -> str:
    done = subprocess.run([program(), mode, "--help"], capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def documented(path: Path, mode: str) -> list[str]:
    """The rows of the table of options in a mode's chapter."""
    chapter = path.read_text().partition(f"## `showdown-traffic {mode}`")[2].partition("\n## ")[0]
    return re.findall(r"^\| `--.*$", chapter, re.M)


@pytest.mark.parametrize("mode", ["load", "origin"])
def test_the_readme_lists_the_options_of_help(mode: str) -> None:
    rows = []
    for option, meaning in re.findall(r"^  (--.+)\n      (.+)$", help_of(mode), re.M):
        text, _, default = meaning.partition(" (default: ")
        rows.append(f"| `{option}` | {text} | {default.removesuffix(')')} |")
    assert len(rows) >= 9
    assert rows == documented(TRAFFIC / "README.md", mode)


def test_the_readme_names_the_workloads_of_help() -> None:
    names = help_of("load").splitlines()[-1].removeprefix("Workloads:").split()
    (line,) = re.findall(r"^Workloads: (.+?)\. ", (TRAFFIC / "README.md").read_text(), re.M)
    assert sorted(re.findall(r"`(\w+)`", line)) == sorted(names)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--drain-ms", "86400001"), "--drain-ms: '86400001' is not a whole number from 0 to 86400000"),
        (("--stall-us", "0"), "--stall-us: '0' is not a whole number from 1 to 60000000"),
        (("--token-bytes", "23"), "--token-bytes: '23' is not a whole number from 24 to 65536"),
        (("--seed", "18446744073709551616"), "--seed: '18446744073709551616' is not a whole number"),
        (("--rendezvous", "2"), "--rendezvous: '2' is not a whole number from 3 to"),
        (("--seed",), "--seed: needs a value"),
        (("--nonsense",), "--nonsense: no such option"),
        (("stray",), "'stray' is not an option"),
    ],
)
def test_a_row_has_its_limits(options: tuple[str, ...], message: str) -> None:
    run = load("--workload", "stream", "--closed", "--duration-ms", "9", "--target", target(9), *options)
    assert (run.code, message in run.err) == (2, True), run.err


def test_the_limits_themselves_are_accepted() -> None:
    run = load(
        *("--workload", "http_keepalive", "--closed", "--duration-ms", "10", "--target", target(1)),
        *("--seed", "18446744073709551615", "--drain-ms", "0", "--token-bytes", "65536", "--stall-us", "1"),
    )
    assert run.code == 1
    assert "refused" in run.final["failure"]
