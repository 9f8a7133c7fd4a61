"""Measure the example anew: root, two minutes for each run of its campaign, and one for the matrix.

.venv/bin/python -m tests.pictures.record first
.venv/bin/python -m tests.pictures.record second
.venv/bin/python -m tests.pictures.record matrix
"""

import argparse
import gzip
import json
import time
from typing import Any

import httpx

from coordinator.config import load_settings
from coordinator.store.measured.results import block_result
from coordinator.store.rows.database import Store
from coordinator.store.rows.models import AttemptRow, BlockRow, HostRow
from deploy.stack.stack import SHOWDOWN
from tests.e2e.conftest import TOLERANT, Running, running_stack
from tests.orderly import ends_in_order
from tests.pictures.example import DATA, HOST, Recording

POINTS = 120  # of a chart's series, as the page asks for them


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", choices=("first", "second", "matrix"))
    parser.add_argument("--tolerant", action="store_true", help="count trials that host noise would make invalid")
    given = parser.parse_args()
    with running_stack(TOLERANT if given.tolerant else SHOWDOWN) as running:
        if given.name == "matrix":
            write(given.name, matrix_of(running))
            return
        campaign_id = running.run((DATA / "campaign.toml").read_text(encoding="utf-8"), timeout_s=400)
        write(given.name, recorded(running, campaign_id, charts=given.name == "first"))


def recorded(running: Running, campaign_id: str, *, charts: bool) -> Recording:
    """Everything of a campaign that has ended, as its worker reported it."""
    asked = telemetry(running, campaign_id) if charts else {}
    store = Store(load_settings({"SHOWDOWN_STATE_DIR": str(running.stack.state_dir)}).database_url)
    with store.read() as session:
        (host,) = session.query(HostRow)
        name, results = host.name, {}
        query = session.query(AttemptRow).join(BlockRow).where(BlockRow.campaign_id == campaign_id)
        for attempt in query.order_by(BlockRow.index, AttemptRow.number):
            place = f"{attempt.block.workload}/{attempt.block.level}"
            results.setdefault(place, []).append(block_result(attempt).model_dump(mode="json"))
        found = {"host": host.capabilities.model_dump(mode="json"), "results": results, "telemetry": asked}
    store.close()
    slim(found)
    renamed: Recording = json.loads(json.dumps(found, allow_nan=False).replace(f'"{name}"', f'"{HOST}"'))
    return renamed


def slim(found: Recording) -> Recording:
    """Without what no page shows, and without what names the machine."""
    for place in found["results"].values():
        for index, result in enumerate(place):
            result["fingerprint"] = general(result["fingerprint"])
            for trial in result["trials"]:
                lag = trial["timings"].get("schedule_lag")
                trial["timings"] = {"schedule_lag": lag} if lag else {}
                trial["stacks"] = trial["stacks"] if index == 0 else None
    found["host"]["fingerprint"] = general(found["host"]["fingerprint"])
    found["host"]["identity"] = None
    return found


def general(fingerprint: dict[str, str]) -> dict[str, str]:
    """A fingerprint that many machines could have."""
    if not fingerprint:
        return {}
    release = fingerprint["kernel"].split("-")[0]
    return fingerprint | {
        "kernel": f"{release} #1 SMP PREEMPT_DYNAMIC",
        "command_line": "quiet mitigations=auto",
        "boot_id": "00000000-0000-4000-8000-000000000000",
        "commit": fingerprint["commit"].removesuffix("-dirty"),
    }


def telemetry(running: Running, campaign_id: str) -> dict[str, Any]:
    """The answers that the charts of the pages ask for, by their address after that of the campaign."""
    with client_of(running) as http:

        def ask(path: str, **parameters: Any) -> Any:
            return http.get(path, params=parameters).raise_for_status().json()

        campaign = f"campaigns/{campaign_id}"
        stages = ask(f"{campaign}/kernel-latency/stages")
        series = {}
        for one in stages["series"]:
            asked = {key: one.get(key, "") for key in ("stage", "role", "datapath", "workload", "level")}
            series["/".join(asked.values())] = ask(f"{campaign}/kernel-latency", points=POINTS, **asked)
        trial = next(t for t in ask(f"{campaign}/trials")["trials"] if t["datapath"] == "tproxy" and t["probes"])
        return {
            "traffic": ask(f"{campaign}/traffic"),
            "stages": stages,
            "series": series,
            "trial": {"place": trial["id"].partition("-")[2], "answer": ask(f"trials/{trial['id']}/kernel-latency")},
        }


def matrix_of(running: Running) -> Recording:
    """What each datapath preserves and supports on this host, by trying."""
    (host,) = running.coordinator.hosts()
    with client_of(running) as http:
        http.post(f"hosts/{host['name']}/matrix", json={}).raise_for_status()
        deadline = time.monotonic() + 240
        while (answer := http.get(f"hosts/{host['name']}/matrix")).status_code != httpx.codes.OK:
            assert time.monotonic() < deadline, answer.text
            running.stack.watch()
            time.sleep(1)
    found: Recording = answer.json()
    return found | {"host": HOST}


def client_of(running: Running) -> httpx.Client:
    """A client of the stack's REST API."""
    headers = {"Authorization": f"Bearer {running.stack.token}"}
    return httpx.Client(base_url=f"{running.stack.url}/api/v1/", headers=headers, timeout=30, trust_env=False)


def write(name: str, found: Recording) -> None:
    """Keep a recording."""
    path = DATA / f"{name}.json.gz"
    text = json.dumps(found, allow_nan=False, separators=(",", ":"))
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    ends_in_order()
    main()
