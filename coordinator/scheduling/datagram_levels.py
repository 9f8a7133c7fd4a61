"""Pure: levels under a condition that concerns datagrams, in a campaign whose workloads send none."""

from collections.abc import Iterator, Sequence

from domain.campaigns.campaign import Campaign
from domain.service.jobs import HostCapabilities
from domain.values.problems import Problem


def without_datagrams(campaign: Campaign, hosts: Sequence[HostCapabilities]) -> Iterator[Problem]:
    """Levels under ``udp_gso``, once each, where a workload is not made of UDP: the condition would change nothing."""
    found = {name: [host.variant("workloads", name) for host in hosts] for name in campaign.workloads}
    others = [name for name, ones in found.items() if any(one and "udp" not in one.protocols for one in ones)]
    for level, load in campaign.levels.items():
        if load.condition.udp_gso and others:
            message = (
                f"udp_gso concerns datagrams, and {', '.join(others)} {'sends' if len(others) == 1 else 'send'} none; "
                "leave out the condition, or those workloads"
            )
            yield Problem(field=f"levels.{level}", message=message)
