"""The AI gateways on the real kernel: what they promise, and broken on purpose while chats go through them."""

from pathlib import Path

import pytest

from domain.loads.load import OpenLoad
from domain.trials.trial import Reason, TrialResult
from tests.host_noise import in_windows
from tests.kernel.bench import bench
from tests.kernel.datapaths.declared import of_function
from tests.kernel.datapaths.test_datapath_terminating import FULL
from tests.kernel.runner.test_block import reasons
from tests.kernel.traffic.test_workload_traffic import measure
from tests.variants import DATAPATHS
from workers.datapaths.lib import gateway
from workers.lab import netns
from workers.lab.lab import Lab

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

GATEWAYS = tuple(of_function("gateway"))
RATE = OpenLoad(rate_per_s=300)
QUICK = {"first_us": 2000, "gap_us": 2000, "answer_tokens": 20, "error_permille": 20}
HELD_BACK = gateway.CONFIG.replace(
    "    default_backend other\n", "    http-response wait-for-body time 5s at-least 1m\n    default_backend other\n"
)


def chat(directory: Path, *labels: str, **parameters: int) -> dict[str, TrialResult]:
    return measure(directory, "llm_chat", RATE, labels, slice_s=0.6, warm_up_s=0.1, parameters=QUICK | parameters)


@in_windows
def test_gateways_keep_their_promises_under_chats(tmp_path: Path) -> None:
    trials = chat(tmp_path, "direct", *GATEWAYS)
    for label, trial in trials.items():
        assert reasons(trial) == set(), (label, trial.validity)
        assert trial.proof is not None
        figures = {one.name: one.value for one in trial.figures}
        sent, counters = trial.proof.named, trial.proof.counters
        assert figures["first_token_added_p50_us"] < figures["first_token_p50_us"]
        assert trial.proof.origin_named["model small"] == sent["model small"] > 0
        if label == "direct":
            assert (counters.named, sent["limited k00"]) == (None, 0)
            assert sent["failed"] == trial.proof.origin_named["failed"] > 0
            continue
        assert counters.named is not None
        assert counters.named == {name: sent[name] for name in counters.named}
        assert counters.refused_requests == sent["limited k00"] > 0
        assert figures["limits_missed"] == 0
        assert sent["failed"] == 0, "the gateway sends what an origin fails to another one"
        assert counters.repeated_requests == trial.proof.origin_named["failed"] > 0
        proven = {f"{FULL} http/1.1"} if DATAPATHS[label].terminates_tls else set()
        assert set(trial.proof.handshakes or {}) == set(counters.handshakes or {}) == proven
        assert bool(trial.proof.verified_handshakes) == bool(proven)
        assert figures["streams_per_core"] > 0
        assert 0 < figures["streams_per_mib"] < 100


@pytest.mark.parametrize(
    ("broken", "reason", "words"),
    [
        pytest.param({"LIMIT": ""}, Reason.COUNTS_MISMATCH, "limited k00", id="limits ignored"),
        pytest.param({"CONFIG": HELD_BACK}, Reason.CORRUPT, "held back", id="streams held back"),
        pytest.param(
            {"CONFIG": gateway.CONFIG.replace("model-%%[req.hdr(x-model)]", "model-small")},
            Reason.COUNTS_MISMATCH, "model", id="routed wrongly",
        ),
    ],
)  # fmt: skip
@in_windows
def test_a_gateway_that_breaks_a_promise_is_an_invalid_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: dict[str, str], reason: Reason, words: str
) -> None:
    for name, text in broken.items():
        monkeypatch.setattr(gateway, name, text)
    (trial,) = chat(tmp_path, "gateway_explicit").values()
    assert reason in reasons(trial), trial.validity
    assert any(words in finding.detail for finding in trial.validity.findings)


def ask(lab: Lab, head: str) -> int:
    """The status of a completion's answer."""
    client = lab.client_endpoint

    def talk() -> int:
        with client.connect(5) as connection:
            text = f"POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nContent-Length: 0\r\n{head}\r\n"
            connection.sendall(text.encode())
            return int(connection.recv(64).split()[1])

    return netns.call_in(client.netns, talk)


@pytest.mark.parametrize(("name", "version"), [("gateway_tproxy", 4), ("gateway_tproxy", 6), ("gateway_tproxy_tls", 6)])
def test_it_knows_keys_and_models(tmp_path: Path, name: str, version: int) -> None:
    with bench(DATAPATHS[name], tmp_path, version) as b:
        assert ask(b.lab, "X-Model: small\r\n") == 401
        assert ask(b.lab, "Authorization: Bearer stranger\r\nX-Model: small\r\n") == 401
        assert ask(b.lab, "Authorization: Bearer k01\r\nX-Model: unknown\r\n") == 404
        assert b.get() == 1, "other paths need no key"
        assert b.counters().refused_requests == 3
