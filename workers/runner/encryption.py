"""What is wrong with the TLS of a trial: both ends must report the same handshakes, all of them verified. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from domain.trials.counters import Counters
from domain.trials.figures import TrialFigure
from domain.trials.histogram import LatencyHistogram
from workers.traffic.base import Negotiated

VERSION = "TLSv1.3"
MIN_SHARE = 0.99  # of the connections and handshakes that both ends must agree on
RESUMED = " resumed"
SPARE = 1  # handshake that one end may have finished when the other was read


@dataclass(frozen=True)
class Encryption:
    """What the clients of a trial were to speak.

    ``terminated``: TLS ends in the datapath. ``verifies``: the generator verifies certificates, and reports handshakes.
    ``each_request``: a connection, and so a handshake, for each request.
    """

    expected: bool = False
    terminated: bool = False
    verifies: bool = True
    each_request: bool = False
    protocol: str = ""  # of ALPN


NO_TLS = Encryption()


def mismatches(expected: Encryption, found: Negotiated | None, counters: Counters, connections: int) -> Iterator[str]:
    """What does not agree, in sentences. ``counters`` are the datapath's, ``connections`` the generator's."""
    if not expected.expected:
        if found is not None or counters.handshakes:
            yield "connections that were to be plain spoke TLS"
        return
    if not connections or not expected.verifies:
        return
    made = sum(found.handshakes.values()) if found is not None else 0
    if found is None or made < MIN_SHARE * connections:
        yield f"of {connections} connections {made} spoke TLS"
        return
    if found.verified < made:
        yield f"the generator verified the certificate of {found.verified} of {made} handshakes"
    yield from _wrong_kinds(expected, found.handshakes)
    if expected.terminated:
        yield from _apart(found.handshakes, counters.handshakes)


def tls_figures(
    expected: Encryption,
    found: Negotiated | None,
    timings: Mapping[str, LatencyHistogram],
    requests: int,
    counted: int,
    cpu_s: float,
    proxy_s: float = 0.0,
) -> Iterator[TrialFigure]:
    """The figures of a trial over TLS: ``requests`` of all its traffic, ``counted`` of the counted slices.

    Handshakes per CPU, and how long one takes, are figures only where each request has one: else most of them are made
    at once, before the traffic. ``cpu_s`` is the CPU time of the whole host, ``proxy_s`` that of the datapath's proxy.
    """
    made = sum(found.handshakes.values()) if found is not None else 0
    if found is None or not made:
        return
    resumed = sum(count for kind, count in found.handshakes.items() if kind.endswith(RESUMED))
    yield TrialFigure(name="resumed", title="TLS sessions resumed", unit="%", most=100.0, value=100 * resumed / made)
    if not expected.each_request:
        return
    if requests:
        of_slices = made * counted / requests
        for name, title, used_s in (
            ("handshakes_per_cpu_s", "TLS handshakes/s per busy CPU", cpu_s),
            ("handshakes_per_proxy_cpu_s", "TLS handshakes/s per busy CPU of the proxy", proxy_s),
        ):
            if used_s > 0:
                yield TrialFigure(name=name, title=title, unit="/s", value=of_slices / used_s)
    for percentile in (50, 99):
        value_ns = timings["handshake"].percentile_ns(percentile) if "handshake" in timings else None
        if value_ns is not None:
            title = f"TLS handshake p{percentile}"
            yield TrialFigure(name=f"handshake_p{percentile}", title=title, unit="ms", value=value_ns / 1e6)


def _wrong_kinds(expected: Encryption, handshakes: Mapping[str, int]) -> Iterator[str]:
    for kind, count in handshakes.items():
        words = kind.split()
        if words[0] != VERSION or (expected.protocol and expected.protocol not in words[2:]):
            yield f"{count} handshakes negotiated {kind}, not {VERSION} {expected.protocol}".rstrip()


def _apart(made: Mapping[str, int], seen: Mapping[str, int] | None) -> Iterator[str]:
    if seen is None:
        yield "the datapath was to terminate TLS, and counts no handshakes"
        return
    for kind in dict.fromkeys([*made, *seen]):
        mine, its = made.get(kind, 0), seen.get(kind, 0)
        if abs(mine - its) > max(SPARE, (1 - MIN_SHARE) * mine):
            yield f"the generator made {mine} handshakes of {kind}, and the datapath counted {its}"
