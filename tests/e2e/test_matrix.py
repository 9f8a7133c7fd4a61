"""A host tests its datapaths on request, one message after another, and reports its matrix to the coordinator."""

import time

import httpx
import pytest

from domain.trials.traits import Answer, TraitMatrix
from tests.e2e.conftest import Running

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("kernel")]

ASKED = ("direct", "tproxy")


def test_what_a_host_is_asked_for_arrives_with_evidence(running: Running) -> None:
    stack = running.stack
    with httpx.Client(
        base_url=f"{stack.url}/api/v1", headers={"Authorization": f"Bearer {stack.token}"}, trust_env=False
    ) as http:
        (host,) = [one["name"] for one in http.get("/hosts").json()["hosts"]]
        assert http.post(f"/hosts/{host}/matrix", json={"datapaths": ASKED}).status_code == 202
        deadline = time.monotonic() + 90
        while True:
            answer = http.get(f"/hosts/{host}/matrix")
            if answer.status_code == 200 and {row["datapath"] for row in answer.json()["rows"]} >= set(ASKED):
                break
            assert time.monotonic() < deadline, answer.text
            stack.watch()
            time.sleep(0.2)
    found = TraitMatrix.model_validate(answer.json())
    answers = {row.datapath: {name: f.answer for name, f in row.findings.items()} for row in found.rows}
    assert answers["direct"]["udp"] is Answer.YES
    assert answers["tproxy"]["udp"] is Answer.YES
    assert answers["tproxy"]["fails_closed"] is Answer.YES
