"""When a request is complete, refused, or left to a thread; in any pieces."""

import pytest

from coordinator.server.framing import Lane, RequestFraming, Stage
from coordinator.server.limits import OTHER_BODY_BYTES, REPORT_BODY_BYTES, USER_BODY_BYTES, WORKER_BODY_BYTES, Limits

LIMITS = Limits(head_bytes=500, collected_bytes=1000)
BEAT = "/api/v1/worker/blocks/b/attempts/1/heartbeat"


def request(path="/", *, method="POST", body=b"", **headers):
    fields = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{fields}\r\n".encode() + body


def framed(data, step=None):
    framing = RequestFraming(LIMITS)
    for start in range(0, len(data), step or len(data)):
        framing.feed(data[start : start + (step or len(data))])
    return framing


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_a_request_is_complete_with_its_last_byte(step):
    whole = request(BEAT, body=b"x" * 20, Content_Length=20)
    assert framed(whole[:-1], step).stage is Stage.BODY
    assert framed(whole, step).stage is Stage.COMPLETE
    assert framed(whole + b"GET / HTTP", step).data.endswith(b"GET / HTTP")


@pytest.mark.parametrize(
    ("path", "lane"),
    [
        ("/campaigns?x=/api/v1/worker/", Lane.USERS),
        (BEAT, Lane.WORKERS),
        ("/healthz", Lane.HEALTH),
        ("/readyz?verbose", Lane.HEALTH),
    ],
)
def test_workers_and_health_checks_have_their_own_threads(path, lane):
    assert framed(request(path, method="GET")).lane is lane


@pytest.mark.parametrize(
    ("path", "limit_bytes"),
    [
        ("/sign-in", OTHER_BODY_BYTES),
        ("/sign%2din", OTHER_BODY_BYTES),
        ("/campaigns", USER_BODY_BYTES),
        (BEAT, WORKER_BODY_BYTES),
        (BEAT.replace("heartbeat", "report"), REPORT_BODY_BYTES),
    ],
)
def test_a_body_that_is_too_large_is_refused_by_its_head(path, limit_bytes):
    refused = framed(request(path, Content_Length=limit_bytes + 1))
    assert (refused.stage, refused.refusal.status) == (Stage.REFUSED, 413)
    assert framed(request(path, Content_Length=limit_bytes)).stage is not Stage.REFUSED


def test_a_large_body_is_left_to_a_thread_only_where_the_credential_is_checked_first():
    assert framed(request(BEAT, Content_Length=1001)).lane is Lane.UPLOADS
    assert framed(request(BEAT, Transfer_Encoding="chunked")).lane is Lane.UPLOADS
    for path in ("/sign-in", "/sign%2din", "//sign-in", "/x/../sign-in"):
        assert framed(request(path, Transfer_Encoding="chunked")).refusal.status == 411, path


@pytest.mark.parametrize("head", [b"G" * 600, request("/" + "x" * 600)])
def test_a_head_that_is_too_large_is_refused_before_its_end(head):
    assert framed(head, 100).refusal.status == 431


@pytest.mark.parametrize("length", ["-1", "x", "²", "1_0", ""])
def test_a_wrong_length_is_for_gunicorn_to_refuse(length):
    framing = RequestFraming(LIMITS)
    framing.feed(request(BEAT, Content_Length=length).decode().encode("latin-1"))
    assert framing.stage is Stage.COMPLETE


def test_a_client_that_waits_for_permission_gets_it():
    assert framed(request(BEAT, Content_Length=5, Expect="100-continue")).waits_for_continue
    assert not framed(request(BEAT, body=b"x" * 5, Content_Length=5, Expect="100-continue")).waits_for_continue
    assert not framed(request(BEAT, Content_Length=WORKER_BODY_BYTES + 1, Expect="100-continue")).waits_for_continue
