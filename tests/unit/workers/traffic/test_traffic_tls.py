"""The generator over TLS and HTTP/2: what it negotiates, verifies and counts, and what it refuses."""

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.workers.traffic import traffic_rig
from tests.unit.workers.traffic.tls_rig import nginx, relay_to, server_context, serving
from tests.unit.workers.traffic.traffic_rig import PLAIN, SANITIZED, good, load, origin, target
from workers.lab import certificates
from workers.lab.certificates import Certificate


@pytest.fixture(autouse=True)
def sanitized(monkeypatch: pytest.MonkeyPatch) -> None:
    """All runs are of the build with ASan and UBSan; the shipped one is tested on the datapaths."""
    monkeypatch.setattr(traffic_rig, "chosen", SANITIZED)


FULL = "TLSv1.3 TLS_AES_256_GCM_SHA384"
RESUMED = f"{FULL} http/1.1 resumed"
BODY = "0123456789abcdef" * 4
WITH_ALPN = {
    "http_keepalive": " http/1.1", "http_churn": " http/1.1", "bulk_download": " http/1.1",
    "bulk_upload": " http/1.1", "stream": " http/1.1", "tcp_rr": "",
}  # fmt: skip


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificates.make(tmp_path_factory.mktemp("tls"), ["127.0.0.1"])


@pytest.fixture(scope="module")
def web(certificate: Certificate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with nginx(tmp_path_factory.mktemp("nginx"), certificate, BODY) as port:
        yield port


@pytest.fixture
def body(tmp_path: Path) -> str:
    path = tmp_path / "body"
    path.write_text(BODY)
    return f"file={path}"


def trusting(port: int, certificate: Certificate) -> str:
    return target(port, tls=str(certificate.authority))


@pytest.mark.parametrize("workload", WITH_ALPN)
def test_every_workload_over_tcp_can_be_encrypted(workload: str, certificate: Certificate) -> None:
    alpn = WITH_ALPN[workload]
    service = "tcp" if workload == "tcp_rr" else "http"
    with origin(name=PLAIN) as running:
        context = server_context(certificate, *alpn.split())
        with serving(relay_to(running.ports[service]), context) as port:
            run = good(
                *("--workload", workload, "--closed", "--connections", "3", "--duration-ms", "60"),
                *("--settle-ms", "3000", "--target", trusting(port, certificate)),
                *(("--tokens", "3", "--cadence-us", "100") if workload == "stream" else ()),
                *(("--body-bytes", "200000") if workload.startswith("bulk") else ()),
            )
    one = run.one
    assert one["errors"] == {}
    assert one["requests"] == one["sent"] > 0
    made = one["tls"]["handshakes"]
    assert set(made) == {f"{FULL}{alpn}"}
    assert made[f"{FULL}{alpn}"] == one["tls"]["verified"] == one["histograms"]["handshake"]["count"]
    assert made[f"{FULL}{alpn}"] == one["connections"] >= 3


def test_a_share_of_the_connections_resumes_a_session(web: int, certificate: Certificate, body: str) -> None:
    made = {}
    for percent in (0, 50, 100):
        one = good(
            *("--workload", "http_churn", "--path", "/", "--check", body, "--open", "200", "--connections", "8"),
            *("--resume-percent", str(percent), "--duration-ms", "200", "--target", trusting(web, certificate)),
        ).one
        made[percent] = one["tls"]["handshakes"].get(RESUMED, 0) / sum(one["tls"]["handshakes"].values())
        assert one["tls"]["verified"] == sum(one["tls"]["handshakes"].values()) == one["connections"]
    assert made[0] == 0
    assert 0.25 < made[50] <= 0.5, "the first ones have no session yet"
    assert 0.6 < made[100] < 1


REFUSED = {
    "authority": "signature failure",
    "address": "IP address mismatch",
    "plain": "wrong version number",
    "version": "",  # the server's words
    "alpn": "",
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_server_that_is_not_the_right_one_gets_no_request(why: str, certificate: Certificate, tmp_path: Path) -> None:
    theirs, context = certificate, None
    if why == "authority":
        theirs = certificates.make(tmp_path, ["127.0.0.1"])
    if why == "address":
        theirs = certificate = certificates.make(tmp_path, ["127.0.0.2"])
    if why != "plain":
        context = server_context(theirs, "h2" if why == "alpn" else "http/1.1")
    if why == "version" and context:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    asked = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(1) if context else b"")
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    with serving(note, context) as port:
        run = load(
            *("--workload", "http_keepalive", "--closed", "--connections", "2", "--duration-ms", "100"),
            *("--target", trusting(port, certificate)),
        )
    assert run.code == 1
    assert ": tls: " in run.final["failure"]
    assert REFUSED[why] in run.final["failure"]
    assert run.one["requests"] == 0
    assert run.one["tls"] == {"verified": 0, "handshakes": {}}
    assert asked in ([], [b""], [b"", b""])


def test_without_an_authority_nothing_counts_as_verified(web: int, body: str) -> None:
    one = good(
        *("--workload", "http_keepalive", "--path", "/", "--check", body, "--closed", "--connections", "2"),
        *("--duration-ms", "50", "--target", target(web, tls="unverified")),
    ).one
    assert one["tls"] == {"verified": 0, "handshakes": {f"{FULL} http/1.1": 2}}


def test_a_file_without_a_certificate_is_refused(tmp_path: Path, certificate: Certificate) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    for path, why in ((tmp_path / "none", "No such file"), (empty, "no certificate"), (certificate.key, "no cert")):
        run = load("--workload", "tcp_rr", "--closed", "--duration-ms", "1", "--target", target(1, tls=str(path)))
        assert run.code == 2
        assert why in run.final["failure"]
    run = load("--workload", "udp_rr", "--closed", "--duration-ms", "1", "--target", target(1, tls="unverified"))
    assert "tls= needs a workload over TCP" in run.final["failure"]


def test_an_answer_that_ends_without_a_goodbye_was_cut_off(certificate: Certificate, body: str) -> None:
    """Anyone on the path can end a TCP stream: a body that ends with it must end with a goodbye in TLS."""

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + BODY.encode())
        await writer.drain()
        writer.transport.get_extra_info("socket").shutdown(1)

    with serving(cut, server_context(certificate, "http/1.1")) as port:
        run = load(
            *("--workload", "http_keepalive", "--path", "/", "--check", body, "--closed", "--connections", "1"),
            *("--duration-ms", "60", "--settle-ms", "500", "--target", trusting(port, certificate)),
        )
    assert set(run.one["errors"]) == {"short"}


@pytest.mark.parametrize("how", ["--closed", "--open=400"])
def test_http2_carries_several_requests_on_each_connection(
    how: str, web: int, certificate: Certificate, body: str
) -> None:
    one = good(
        *("--workload", "h2", "--path", "/", "--check", body, *how.split("="), "--connections", "2", "--streams", "5"),
        *("--duration-ms", "150", "--target", trusting(web, certificate)),
    ).one
    assert one["errors"] == {}
    assert one["sent"] == one["requests"] > 20
    assert one["tls"] == {"verified": 2, "handshakes": {f"{FULL} h2": 2}}
    assert one["connections"] == 2
    assert one["bytes_received"] >= one["requests"] * (len(BODY) + 9)
    if how != "--closed":
        assert one["histograms"]["latency"]["count"] == 60


def test_http2_answers_are_judged_like_others(web: int, certificate: Certificate, tmp_path: Path, body: str) -> None:
    other = tmp_path / "other"
    other.write_text(BODY[:-1] + "!")
    for options, cause in ((("/", f"file={other}"), "corrupt"), (("/missing", body), "status")):
        run = load(
            *("--workload", "h2", "--path", options[0], "--check", options[1], "--closed", "--connections", "1"),
            *("--duration-ms", "60", "--target", trusting(web, certificate)),
        )
        assert set(run.one["errors"]) == {cause}
        assert run.one["sent"] == run.one["errors"][cause] + run.one["in_flight"]


def test_http2_connections_that_the_server_ends_are_opened_again(
    certificate: Certificate, tmp_path: Path, body: str
) -> None:
    with nginx(tmp_path, certificate, BODY, requests=20) as port:
        one = load(
            *("--workload", "h2", "--path", "/", "--check", body, "--closed", "--connections", "1", "--streams", "4"),
            *("--duration-ms", "200", "--target", trusting(port, certificate)),
        ).one
    assert one["requests"] > 40
    assert one["connections"] >= one["requests"] // 20
    assert one["sent"] == one["requests"] + sum(one["errors"].values()) + one["in_flight"]
    assert set(one["errors"]) <= {"refused", "reset", "short"}


def test_a_silent_server_costs_each_stream_one_timeout(certificate: Certificate) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass

    with serving(silent, server_context(certificate, "h2")) as port:
        run = load(
            *("--workload", "h2", "--closed", "--connections", "1", "--streams", "3", "--duration-ms", "50"),
            *("--timeout-ms", "100", "--settle-ms", "400", "--target", trusting(port, certificate)),
        )
    assert run.one["sent"] == 3
    assert run.one["errors"] == {"timeout": 3}
