"""Pure: which open levels a campaign's workloads have an honest schedule for."""

from collections.abc import Iterator, Sequence

from domain.campaigns.campaign import Campaign
from domain.loads.load import AnyLoad, ClosedLoad, OpenLoad
from domain.service.jobs import HostCapabilities
from domain.values.problems import Problem


def unsupported_rates(campaign: Campaign, hosts: Sequence[HostCapabilities]) -> Iterator[Problem]:
    """Open levels of workloads whose generator has an honest schedule for some rates only; shares come to any rate."""
    for workload in campaign.workloads:
        found = (host.variant("workloads", workload) for host in hosts)
        variants = [variant for variant in found if variant]
        rates = sorted({rate for variant in variants for rate in variant.open_rates_per_s})
        arrivals = sorted({arrival for variant in variants for arrival in variant.open_arrivals})
        for level, load in campaign.levels.items():
            if rates and load.kind != "closed" and not (isinstance(load, OpenLoad) and load.rate_per_s in rates):
                honest = ", ".join(map(str, rates))
                yield Problem(
                    field=f"levels.{level}",
                    message=f"{workload} carries open loads at rates of {honest}/s only, not {load}",
                )
            yield from _unsupported_arrivals(workload, level, load, arrivals)


def _unsupported_arrivals(workload: str, level: str, load: AnyLoad, arrivals: Sequence[str]) -> Iterator[Problem]:
    """A generator that offers some arrivals only has no limit of requests in flight either, and one rate."""
    changes = isinstance(load, OpenLoad) and load.profile is not None
    if isinstance(load, ClosedLoad) or not arrivals:
        return
    if load.arrival in arrivals and load.in_flight is None and not changes:
        return
    allowed = " or ".join(arrivals)
    what = "at a rate that does not change" if changes else "without a limit of requests in flight"
    message = f"{workload} offers {allowed} arrivals {what} only; write "
    plain = {"arrival": arrivals[0], "in_flight": None} | ({"profile": None} if changes else {})
    yield Problem(field=f"levels.{level}", message=f"{message}{load.model_copy(update=plain)}")
