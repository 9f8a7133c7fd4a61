"""llm_chat and its origin keep to the published model of completions, request by request."""

import http.client
from collections import Counter

import pytest

from tests.unit.workers.traffic.llm_truth import Model, Truth
from tests.unit.workers.traffic.traffic_rig import good, origin, target
from workers.traffic.base import TargetTraffic
from workers.workloads.llm_chat import LlmChat

QUICK = Model(first_us=1000, answer_tokens=6, error_permille=20)
QUERY = "/v1/chat/completions?first_us=1000&answer_tokens=6&gap_us=100&error_permille=20"
ASKED = range(120)


def ask(connection: http.client.HTTPConnection, index: int, truth: Truth, **fields: str) -> tuple[int, bool, int]:
    """Status, whether it is a stream, and the bytes of the answer."""
    head = {"X-Request": str(index), "X-Model": truth.model} | {name.replace("_", "-"): v for name, v in fields.items()}
    connection.request("POST", QUERY, b"." * truth.prompt_bytes, head)
    answer = connection.getresponse()
    return answer.status, answer.getheader("Content-Type") == "text/event-stream", len(answer.read())


def test_the_origin_answers_each_request_as_the_model_says() -> None:
    with origin(addresses=("127.0.0.1", "127.0.0.2")) as server:
        for address, fails in (("127.0.0.1", True), ("127.0.0.2", False)):
            connection = http.client.HTTPConnection(address, server.ports["http"], timeout=10)
            for index in ASKED:
                truth = QUICK.of(index)
                failed = truth.error and fails
                wanted = (503, False, 3) if failed else (200, truth.stream, 32 * truth.tokens)
                assert ask(connection, index, truth) == wanted, (address, index)
            connection.close()
    assert any(QUICK.of(index).error for index in ASKED)
    counted = Counter(f"model {QUICK.of(index).model}" for index in ASKED)
    failed = Counter(f"model {QUICK.of(index).model}" for index in ASKED if QUICK.of(index).error)
    assert server.final["named"] == {name: 2 * counted[name] - failed[name] for name in counted} | {
        "failed": failed.total()
    }


@pytest.mark.parametrize("fields", [{"X_Model": "huge"}, {"X_Request": "many"}], ids=str)
def test_a_request_without_its_number_or_model_is_refused(fields: dict[str, str]) -> None:
    with origin() as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.ports["http"], timeout=10)
        assert ask(connection, 0, QUICK.of(0), **fields)[0] == 400
    assert server.final["named"] == {"model small": 0, "model large": 0, "failed": 0}


def test_the_generator_expects_what_the_model_says() -> None:
    with origin() as server:
        run = good(
            *("--workload", "llm_chat", "--open", "400", "--connections", "64", "--duration-ms", "300"),
            *("--warm-up-ms", "50", "--llm-first_us", "1000", "--llm-answer_tokens", "6", "--llm-gap_us", "100"),
            *("--llm-error_permille", "20", "--target", target(server.ports["http"])),
        )
    named, made = run.one["named"], sum(one["sent"] for one in run.final["slices"])
    truths = [QUICK.of(index) for index in range(made)]
    assert made > 100
    assert {name: count for name, count in named.items() if name.startswith("key") and count} == Counter(
        f"key {one.key}" for one in truths
    )
    answered = Counter(f"model {one.model}" for one in truths if not one.error)
    assert {name: named[name] for name in answered} == answered
    assert named["failed"] == sum(one.error for one in truths) > 0
    assert server.final["named"] == {**answered, "failed": named["failed"]}
    assert run.one["errors"] == {}
    streams = sum(one.stream and not one.error for one in measured_of(run.final, truths))
    assert run.one["histograms"]["first_token"]["count"] == streams
    assert run.one["histograms"]["first_token_added"]["p50_ns"] < run.one["histograms"]["first_token"]["p50_ns"]


def measured_of(final: dict[str, object], truths: list[Truth]) -> list[Truth]:
    """Those that were no warm-up, which came first."""
    slices = final["slices"]
    assert isinstance(slices, list)
    return truths[sum(one["sent"] for one in slices if one["warm_up"]) :]


def test_a_stalling_origin_delays_its_own_model_alone() -> None:
    """The fourth address stalls for half of the time: its answers are late, those of others are not."""
    query = QUERY.replace("gap_us=100", "gap_us=6000") + "&stall_ms=200&stall_every_ms=400&slow_permille=0"
    with origin(addresses=tuple(f"127.0.0.{number}" for number in (1, 2, 3, 4))) as server:
        late = {}
        for address in ("127.0.0.3", "127.0.0.4"):
            run = good(
                *("--workload", "llm_chat", "--open", "100", "--connections", "64", "--duration-ms", "400"),
                *("--drain-ms", "1000", "--path", query, "--llm-first_us", "1000", "--llm-answer_tokens", "6"),
                *("--llm-gap_us", "6000", "--llm-error_permille", "20", "--llm-slow_permille", "0"),
                *("--target", target(server.ports["http"], address=address)),
            )
            assert run.one["named"]["streams"] > 10
            assert run.one["named"]["bunched"] == 0, "an origin goes on after a stall, it does not catch up"
            late[address] = run.one["histograms"]["first_token_added"]["max_ns"]
    assert late["127.0.0.4"] > 100e6, "a stall lasts 200 ms, and some requests arrive in its first half"
    assert late["127.0.0.3"] < late["127.0.0.4"]


@pytest.mark.parametrize(("bunched", "wrong"), [(0, False), (50, False), (51, True)])
def test_streams_that_come_all_at_once_are_a_problem(bunched: int, wrong: bool) -> None:
    found = LlmChat().check(TargetTraffic(named={"streams": 1000, "bunched": bunched}), 0)
    assert bool(found) is wrong
