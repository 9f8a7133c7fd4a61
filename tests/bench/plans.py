"""The generators' plans in the benches: small answers of Showdown's origin over keep-alive connections."""

from domain.loads.load import ClosedLoad, OpenLoad
from tests.bench.stage import BODY_BYTES, PATH
from workers.traffic.base import GeneratorPlan

OWN = ("--workload", "http_keepalive", "--body-bytes", str(BODY_BYTES))


def closed(generator: str, connections: int) -> GeneratorPlan:
    """A closed loop of ``ours`` or ``wrk``."""
    load = ClosedLoad(connections=connections)
    if generator == "wrk":
        return GeneratorPlan("wrk", load, connections, path=PATH)
    return GeneratorPlan("showdown-traffic", load, connections, options=OWN)


def opened(rate_per_s: int, connections: int) -> GeneratorPlan:
    """An open loop of ours, at a constant rate."""
    return GeneratorPlan(
        "showdown-traffic", OpenLoad(rate_per_s=rate_per_s, arrival="constant"), connections, options=OWN
    )
