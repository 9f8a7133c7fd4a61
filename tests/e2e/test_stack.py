"""The private stack with its real servers: up, used, broken, interrupted, and gone without a trace."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import pytest
import redis

from deploy.stack.influx import DAYS
from tests.e2e.conftest import METRICS
from tests.servers import own_environment
from workers.lab.cleanup import REGISTER_DIR

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("kernel")]

SHOWDOWN = [sys.executable, "-m", "deploy.cli.main"]
SERVERS = ("redis-server", "influxd", "coordinator", "ticker", "worker")
ONE_LONG_BLOCK = """
name = "interrupted"
datapaths = ["direct"]
blocks = 1
slices = 60
slice_s = 1.0
warm_up_s = 0.0
[levels]
low = "closed(2)"
"""


@pytest.fixture
def short_path():
    """pytest's directories are too long for a unix socket's path."""
    with tempfile.TemporaryDirectory(prefix="sd-") as directory:
        yield Path(directory)


@pytest.fixture
def environment():
    return own_environment()


def wait_until(condition, seconds=90.0):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return found


def parent_of(pid):
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def name_of(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def descendants(pid):
    """Every living process below ``pid``; the stack's children stay below it even in groups of their own."""
    below, grew = {pid}, True
    while grew:
        pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
        found = below | {one for one in pids if parent_of(one) in below}
        grew, below = found != below, found
    return below - {pid}


def alive(pids):
    return {pid for pid in pids if parent_of(pid) or Path(f"/proc/{pid}").exists()}


def listening(pids):
    """(address, pid) of every TCP socket on which one of ``pids`` listens."""
    listing = subprocess.run(["ss", "-Hltnp"], check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in listing.splitlines()]
    return {(row[3], pid) for row in rows for pid in pids if f"pid={pid}," in row[-1]}


def labs_of(pid):
    """Namespaces in the cleanup register that belong to descendants of ``pid``."""
    ours = descendants(pid)
    names = set()
    for path in REGISTER_DIR.glob("*.json"):
        entry = json.loads(path.read_text())
        if entry["owner"]["pid"] in ours:
            names |= set(entry["netns"])
    return {name for name in names if Path("/run/netns", name).exists()}


def start(arguments, environment):
    return subprocess.Popen(
        [*SHOWDOWN, *arguments], env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_everything_is_up_and_private(running):
    stack = running.stack
    pids = stack.pids
    assert tuple(pids) == SERVERS
    everything = {*pids.values(), *(one for pid in pids.values() for one in descendants(pid))}
    # What disturbs a trial on the same host is named in its finding, and "python" would say nothing.
    names = {"showdown-web", "showdown-ticker", "showdown-worker"}
    wait_until(lambda: names <= {name_of(pid) for pid in everything})
    addresses = {address.rpartition(":")[0] for address, _ in listening(everything)}
    assert addresses == {"127.0.0.1"}
    assert not any(pid == pids["redis-server"] for _, pid in listening(everything)), "redis has its socket only"
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(unix_socket_path=str(stack.state_dir / "redis.sock")).ping()
    influx = stack.environment["SHOWDOWN_INFLUX_URL"]
    assert httpx.get(f"{influx}/query", params={"q": "SHOW DATABASES"}, trust_env=False).status_code == 401
    login = tuple(stack.environment["SHOWDOWN_INFLUX_TOKEN"].split(":"))
    databases = httpx.get(f"{influx}/query", params={"q": "SHOW DATABASES"}, auth=login, trust_env=False).text
    assert '["showdown"]' in databases
    limit = {"q": 'SHOW RETENTION POLICIES ON "showdown"'}
    policies = httpx.get(f"{influx}/query", params=limit, auth=login, trust_env=False).json()["results"][0]["series"]
    assert [row[:3] for row in policies[0]["values"]] == [["autogen", f"{24 * DAYS}h0m0s", "168h0m0s"]]
    assert len([pid for _, pid in listening(everything) if pid == pids["influxd"]]) == 1, "no port for backups"
    wait_until(lambda: httpx.get(f"{stack.url}/readyz", trust_env=False).status_code == 200)
    assert httpx.get(f"{stack.url}/api/v1/hosts", trust_env=False).status_code == 401
    bearer = {"Authorization": f"Bearer {stack.token}"}
    (host,) = httpx.get(f"{stack.url}/api/v1/hosts", headers=bearer, trust_env=False).json()["hosts"]
    assert host["online"]
    stack.watch()


def test_the_worker_serves_its_metrics(running):
    socket = running.stack.state_dir / METRICS
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), trust_env=False) as client:

        def value(name):
            lines = client.get("http://worker/metrics").text.splitlines()
            return next((float(line.split()[-1]) for line in lines if line.startswith(f"showdown_worker_{name}")), None)

        assert value("info") == 1
        assert abs(value("last_sign_of_life_timestamp_seconds") - time.time()) < 600
        assert value("telemetry_points") is not None, "the process that runs blocks has its counters"
        wait_until(lambda: value("broker_up") == 1)
        assert value("queue_depth") == 0


def test_a_killed_worker_comes_back(running):
    stack = running.stack
    log, first = stack.state_dir / "worker.log", stack.pids["worker"]
    pool = descendants(first)
    ready = log.read_text().count(" ready.")
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: not alive(pool))
    wait_until(lambda: (stack.watch(), stack.pids["worker"] != first)[1])
    wait_until(lambda: log.read_text().count(" ready.") > ready)


def test_up_goes_on_with_its_state_and_nothing_outlives_it_however_it_ends(tmp_path, environment):
    environment["SHOWDOWN_STATE_DIR"] = str(tmp_path / "s")
    tokens = []
    for signal_number, status in ((signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)):
        with start(["up", "--json", "--port", "18455"], environment) as up:
            announced = json.loads("".join(iter(up.stdout.readline, "}\n")) + "}")
            tokens.append(announced["token"])
            children = descendants(up.pid)
            assert len(children) >= len(SERVERS)
            up.send_signal(signal_number)
            assert up.wait(90) == status, up.stderr.read()
        if signal_number == signal.SIGTERM:
            assert alive(children) == set()
        wait_until(lambda children=children: not alive(children))
    assert tokens[0] == tokens[1]


def test_an_interrupted_run_leaves_no_lab_and_no_process(short_path, environment):
    campaign = short_path / "interrupted.toml"
    campaign.write_text(ONE_LONG_BLOCK)
    environment["TMPDIR"] = str(short_path)
    with start(["run", str(campaign)], environment) as run:
        # The worker tries the kernel's features in namespaces before the campaign begins.
        labs = wait_until(lambda: run.poll() is not None or {one for one in labs_of(run.pid) if "direct" in one})
        assert run.poll() is None, run.stderr.read()
        children = descendants(run.pid)
        began = time.monotonic()
        run.send_signal(signal.SIGINT)
        assert run.wait(90) == 130, run.stderr.read()
        assert time.monotonic() - began < 25
        assert "cancelling" in run.stderr.read()
    assert [name for name in labs if Path("/run/netns", name).exists()] == []
    assert alive(children) == set()
    assert list(short_path.glob("showdown-*")) == []


def test_a_run_of_an_invalid_campaign_starts_nothing(tmp_path, environment):
    campaign = tmp_path / "bad.toml"
    campaign.write_text("blocks = 0")
    environment["TMPDIR"] = str(tmp_path)
    done = subprocess.run([*SHOWDOWN, "run", str(campaign)], env=environment, capture_output=True, text=True)
    assert done.returncode == 3
    assert "  blocks: " in done.stderr
    assert list(tmp_path.iterdir()) == [campaign]
