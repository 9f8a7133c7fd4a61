"""What generator and proxy report of TLS must agree; each disagreement is a sentence."""

import pytest

from domain.trials.counters import Counters
from domain.trials.histogram import LatencyHistogram
from workers.runner.encryption import NO_TLS, Encryption, mismatches, tls_figures
from workers.traffic.base import Negotiated

H1, H2 = "TLSv1.3 TLS_AES_256_GCM_SHA384 http/1.1", "TLSv1.3 TLS_AES_256_GCM_SHA384 h2"
AT_PROXY = Encryption(expected=True, terminated=True)
AT_ORIGIN = Encryption(expected=True)


def found(expected: Encryption, made: Negotiated | None, seen: dict[str, int] | None, connections: int = 64) -> str:
    return "; ".join(mismatches(expected, made, Counters(handshakes=seen), connections))


@pytest.mark.parametrize(
    ("expected", "made", "seen"),
    [
        (NO_TLS, None, None),
        (AT_PROXY, Negotiated({H1: 64}, 64), {H1: 64}),
        (AT_PROXY, Negotiated({H1: 500, f"{H1} resumed": 300}, 800), {H1: 499, f"{H1} resumed": 303}),
        (AT_ORIGIN, Negotiated({H2: 64}, 64), None),
        (Encryption(expected=True, verifies=False), None, None),
    ],
)
def test_what_agrees_is_no_finding(expected: Encryption, made: Negotiated | None, seen: dict[str, int] | None) -> None:
    assert found(expected, made, seen) == ""


@pytest.mark.parametrize(
    ("expected", "made", "seen", "detail"),
    [
        (NO_TLS, Negotiated({H1: 1}, 1), None, "connections that were to be plain spoke TLS"),
        (NO_TLS, None, {H1: 1}, "connections that were to be plain spoke TLS"),
        (AT_PROXY, None, {}, "of 64 connections 0 spoke TLS"),
        (AT_ORIGIN, Negotiated({H1: 60}, 60), None, "of 64 connections 60 spoke TLS"),
        (AT_PROXY, Negotiated({H1: 64}, 63), {H1: 64}, "verified the certificate of 63 of 64 handshakes"),
        (AT_PROXY, Negotiated({H1: 64}, 64), None, "was to terminate TLS, and counts no handshakes"),
        (AT_PROXY, Negotiated({H1: 64}, 64), {H1: 62}, f"made 64 handshakes of {H1}, and the datapath counted 62"),
        (AT_PROXY, Negotiated({H1: 64}, 64), {H1: 64, H2: 2}, f"made 0 handshakes of {H2}, and the datapath counted 2"),
        (
            AT_ORIGIN,
            Negotiated({"TLSv1.2 ECDHE http/1.1": 64}, 64),
            None,
            "negotiated TLSv1.2 ECDHE http/1.1, not TLSv1.3",
        ),
        (Encryption(expected=True, protocol="h2"), Negotiated({H1: 64}, 64), None, f"negotiated {H1}, not TLSv1.3 h2"),
    ],
)
def test_each_disagreement_is_named(
    expected: Encryption, made: Negotiated | None, seen: dict[str, int] | None, detail: str
) -> None:
    assert detail in found(expected, made, seen)


def test_without_connections_there_is_nothing_to_compare() -> None:
    assert found(AT_PROXY, None, None, connections=0) == ""


def test_the_figures_of_tls_are_those_that_mean_something() -> None:
    timings = {"handshake": LatencyHistogram.of(dict.fromkeys([1_000_000, 2_000_000, 9_000_000], 1))}
    each = Encryption(expected=True, each_request=True)
    churn = tls_figures(
        each, Negotiated({H1: 300, f"{H1} resumed": 100}, 400), timings, requests=400, counted=200, cpu_s=0.5
    )
    assert {one.name: round(one.value) for one in churn} == {
        "handshakes_per_cpu_s": 400, "resumed": 25, "handshake_p50": 2, "handshake_p99": 9,
    }  # fmt: skip
    at_proxy = tls_figures(each, Negotiated({H1: 400}, 400), {}, requests=400, counted=200, cpu_s=0.5, proxy_s=0.25)
    assert {one.name: one.value for one in at_proxy if "cpu" in one.name} == {
        "handshakes_per_cpu_s": 400, "handshakes_per_proxy_cpu_s": 800,
    }  # fmt: skip
    kept = tls_figures(Encryption(expected=True), Negotiated({H1: 390}, 390), timings, 400, 200, 0.5)
    assert [one.name for one in kept] == ["resumed"], "kept connections make their handshakes before the traffic"
    assert list(tls_figures(each, None, {}, 400, 200, 0.5)) == []
