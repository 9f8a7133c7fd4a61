"""Pure: may this campaign run on these hosts? Every "no" names the field, and what is known or missing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from coordinator.scheduling.block_size import too_large
from coordinator.scheduling.datagram_levels import without_datagrams
from coordinator.scheduling.open_rates import unsupported_rates
from domain.campaigns.campaign import Campaign
from domain.hosts.placement import dut_cpus
from domain.loads.load import CapacityLoad, ShareLoad
from domain.loads.workload import fill_parameters
from domain.service.jobs import HostCapabilities, Variant
from domain.service.variant_names import FAMILIES, known_names, unknown_name
from domain.values.hints import did_you_mean
from domain.values.names import datapath_of
from domain.values.problems import InvalidInput, Problem
from domain.values.texts import counted

# What a worker carried before it could state it. One rule for both fields: what is not stated is what old workers had.
# It refuses nothing that an old worker can run, and admits nothing that it cannot (docs/decisions/0025).
ASSUMED_PROTOCOLS = ("tcp",)
ASSUMED_IP_VERSIONS = (4,)


@dataclass(frozen=True)
class KnownHost:
    """A registered host; ``online`` when it was heard of lately, ``drained`` when it takes no new blocks."""

    capabilities: HostCapabilities
    online: bool
    drained: bool = False

    @property
    def takes_blocks(self) -> bool:
        """Whether a campaign that names no hosts may take it."""
        return self.online and not self.drained

    @property
    def name(self) -> str:
        """The host's name."""
        return self.capabilities.host


def admit(campaign: Campaign, hosts: Sequence[KnownHost]) -> tuple[str, ...]:
    """The names of the hosts that will run the campaign: those it names, or all online ones that can run all of it.

    Raises :class:`InvalidInput` with every problem found.
    """
    if not hosts:
        raise _refusal("hosts", "no worker host is registered; start one with `showdown worker`")
    chosen = _chosen(campaign, hosts)
    problems = [*too_large(campaign), *_unknown(campaign, hosts)]
    unknown = {problem.field for problem in problems}
    problems += [p for p in _unsupported_levels(campaign, chosen) if p.field not in unknown]
    problems += _not_carried(campaign, chosen)
    problems += _other_ip_version(campaign, chosen)
    problems += [*_not_imposed(campaign, chosen), *without_datagrams(campaign, [one.capabilities for one in chosen])]
    problems += [*_too_few_cpus(campaign, chosen), *_one_client_only(campaign, chosen)]
    problems += [p for p in unsupported_rates(campaign, [one.capabilities for one in chosen]) if p.field not in unknown]
    if campaign.hosts:
        problems += [p for p in _missing_anywhere(campaign, chosen) if p.field not in unknown]
        able = chosen
    else:
        problems += [p for p in _missing_everywhere(campaign, chosen) if p.field not in unknown]
        able = [host for host in chosen if _can_run_all(campaign, host)]
    try:
        with_parameters(campaign, [host.capabilities for host in able or chosen])
    except InvalidInput as refused:
        problems += refused.problems
    if problems:
        raise InvalidInput(problems)
    if not able:
        raise _refusal("hosts", "no single host can run all of it; name fewer datapaths, workloads or probes")
    return tuple(sorted(host.name for host in able)) if not campaign.hosts else campaign.hosts


def _refusal(field: str, message: str) -> InvalidInput:
    return InvalidInput([Problem(field=field, message=message)])


def _chosen(campaign: Campaign, hosts: Sequence[KnownHost]) -> list[KnownHost]:
    by_name = {host.name: host for host in hosts}
    strangers = [
        Problem(
            field=f"hosts.{i}",
            message=f"unknown host {name!r}{did_you_mean(name, by_name)}; registered: {', '.join(sorted(by_name))}",
        )
        for i, name in enumerate(campaign.hosts)
        if name not in by_name
    ]
    if strangers:
        raise InvalidInput([*strangers, *_unknown(campaign, hosts)])
    if campaign.hosts:
        return [by_name[name] for name in campaign.hosts]
    online = [host for host in hosts if host.online]
    if not online:
        raise _refusal("hosts", "no worker host is online; start one with `showdown worker`")
    if not (taking := [host for host in online if host.takes_blocks]):
        drained = ", ".join(host.name for host in online)
        raise _refusal("hosts", f"every online host is drained ({drained}); `showdown hosts undrain NAME` ends that")
    return taking


def _named(campaign: Campaign) -> Iterator[tuple[str, str, str]]:
    """(field, family, name) of every variant that a campaign names."""
    for family in FAMILIES:
        for i, name in enumerate(getattr(campaign, family)):
            yield f"{family}.{i}", family, datapath_of(name)


def _unknown(campaign: Campaign, hosts: Sequence[KnownHost]) -> Iterator[Problem]:
    known = known_names(host.capabilities for host in hosts)
    for field, family, name in _named(campaign):
        if problem := unknown_name(field, family, name, known[family]):
            yield problem


def variants(capabilities: HostCapabilities, family: str) -> tuple[Variant, ...]:
    """The variants of ``datapaths``, ``workloads`` or ``probes``."""
    found: tuple[Variant, ...] = getattr(capabilities, family)
    return found


def why_not(host: KnownHost, family: str, name: str) -> str:
    """Why ``host`` cannot run a variant; empty when it can."""
    variant = host.capabilities.variant(family, name)
    if variant is None:
        return f"{host.name} does not have it"
    return "" if variant.available else f"{host.name}: {'; '.join(variant.missing)}"


def _missing_anywhere(campaign: Campaign, hosts: Sequence[KnownHost]) -> Iterator[Problem]:
    for field, family, name in _named(campaign):
        reasons = [reason for host in hosts if (reason := why_not(host, family, name))]
        if reasons:
            yield Problem(field=field, message=f"{name} cannot run on every named host: {' | '.join(reasons)}")


def _missing_everywhere(campaign: Campaign, hosts: Sequence[KnownHost]) -> Iterator[Problem]:
    for field, family, name in _named(campaign):
        reasons = [why_not(host, family, name) for host in hosts]
        if all(reasons):
            yield Problem(field=field, message=f"{name} can run on no host: {' | '.join(reasons)}")


def _can_run_all(campaign: Campaign, host: KnownHost) -> bool:
    return not any(why_not(host, family, name) for _, family, name in _named(campaign))


def _unsupported_levels(campaign: Campaign, hosts: Sequence[KnownHost]) -> Iterator[Problem]:
    for workload in campaign.workloads:
        found = (host.capabilities.variant("workloads", workload) for host in hosts)
        kinds = sorted({kind for variant in found if variant for kind in variant.level_kinds})
        for level, load in campaign.levels.items():
            needed = ("open", "closed") if isinstance(load, (ShareLoad, CapacityLoad)) else (load.kind,)
            if kinds and not set(needed) <= set(kinds):
                why = "; its capacity is found with closed loads" if needed[0] in kinds else ""
                yield Problem(
                    field=f"levels.{level}",
                    message=f"{workload} carries {' and '.join(kinds)} loads only, not {load}{why}",
                )


def carried_protocols(variant: Variant) -> tuple[str, ...]:
    """What the host states, or :data:`ASSUMED_PROTOCOLS`."""
    return variant.protocols or ASSUMED_PROTOCOLS


def carried_ip_versions(variant: Variant) -> tuple[int, ...]:
    """What the host states, or :data:`ASSUMED_IP_VERSIONS`."""
    return variant.ip_versions or ASSUMED_IP_VERSIONS


def _not_carried(campaign: Campaign, hosts: Sequence[KnownHost]) -> Iterator[Problem]:
    """Workloads whose protocol one of the datapaths does not carry, once each."""
    for i, name in enumerate(campaign.workloads):
        for host in hosts:
            needed = carried_protocols(workload) if (workload := host.capabilities.variant("workloads", name)) else ()
            stuck = [
                _carries(datapath, host, "protocols", [one.upper() for one in carried], stated=bool(datapath.protocols))
                for datapath in _datapaths(campaign, host)
                if (carried := datapath.services or carried_protocols(datapath))
                if not (set(needed) <= set(carried_protocols(datapath)) and datapath.carries_service(workload))
            ]
            if stuck:
                yield Problem(
                    field=f"workloads.{i}",
                    message=f"{name} sends {' and '.join(map(str.upper, needed))}, "
                    f"which is not carried by {', '.join(stuck)}; leave out {name}, or those datapaths",
                )
                break


def _other_ip_version(campaign: Campaign, hosts: Sequence[KnownHost]) -> Iterator[Problem]:
    """Levels under an IP version that one of the datapaths does not carry, once each."""
    for level, load in campaign.levels.items():
        wanted = load.condition.ip_version
        found: dict[str, str] = {}
        for host in hosts:
            for datapath in _datapaths(campaign, host):
                versions = carried_ip_versions(datapath)
                if wanted not in versions:
                    words, stated = [f"IPv{version}" for version in versions], bool(datapath.ip_versions)
                    found[datapath.name] = _carries(datapath, host, "IP versions", words, stated=stated)
        if found:
            yield Problem(
                field=f"levels.{level}",
                message=f"IPv{wanted} is not carried by {', '.join(found.values())}; "
                "leave out the condition, or those datapaths",
            )


def _datapaths(campaign: Campaign, host: KnownHost) -> Iterator[Variant]:
    """The campaign's datapaths that the host has, once each."""
    for name in dict.fromkeys(map(datapath_of, campaign.datapaths)):
        if variant := host.capabilities.variant("datapaths", name):
            yield variant


def _carries(datapath: Variant, host: KnownHost, what: str, carried: Sequence[str], *, stated: bool) -> str:
    known = " and ".join(carried)
    if stated:
        return f"{datapath.name} (it carries {known})"
    return (
        f"{datapath.name} (the worker of {host.name} states no {what}, so {known} is assumed; "
        f"update Showdown on {host.name})"
    )


def _not_imposed(campaign: Campaign, hosts: Sequence[KnownHost]) -> Iterator[Problem]:
    """Levels under a condition that a host is known to lack something for, once each."""
    for level, load in campaign.levels.items():
        for host in hosts if load.condition.needs else ():
            known = {feature.name for feature in host.capabilities.features}
            if lacking := host.capabilities.lacking(*(name for name in load.condition.needs if name in known)):
                message = f"{load.condition} needs what {host.name} lacks: {' '.join(lacking)}"
                yield Problem(field=f"levels.{level}", message=message)
                break


def _too_few_cpus(campaign: Campaign, hosts: Sequence[KnownHost]) -> Iterator[Problem]:
    """Levels whose proxies must have more CPUs than the DUT of a host has, once each."""
    for level, load in campaign.levels.items():
        for host in hosts:
            known = dut_cpus(host.capabilities.fingerprint)
            if known is not None and (load.condition.proxy_cpus or 0) > known:
                message = f"the DUT of {host.name} has {counted(known, 'CPU')}; ask for proxy_cpus({known}) at most"
                yield Problem(field=f"levels.{level}", message=message)
                break


def _one_client_only(campaign: Campaign, hosts: Sequence[KnownHost]) -> Iterator[Problem]:
    """Variants that do not take several clients, once each, where the campaign asks for them."""
    if campaign.clients == 1:
        return
    named = ((family, name) for _, family, name in _named(campaign) if family != "probes")
    for family, name in dict.fromkeys(named):
        found = (host.capabilities.variant(family, name) for host in hosts)
        if why := next((variant.one_client for variant in found if variant and variant.one_client), ""):
            yield Problem(field="clients", message=f"{name} takes one client only: {why}; leave it out, or use 1")


def with_parameters(campaign: Campaign, hosts: Sequence[HostCapabilities]) -> Campaign:
    """The campaign with every parameter of its workloads spelled out, as the first of ``hosts`` has the defaults.

    Raises :class:`InvalidInput` for values that not every one of ``hosts`` takes.
    """
    parameters: dict[str, dict[str, int]] = {}
    problems: dict[Problem, list[str]] = {}
    for workload in campaign.workloads:
        values = campaign.parameters.get(workload, {})
        for host in hosts:
            if variant := host.variant("workloads", workload):
                try:
                    values = fill_parameters(workload, variant.parameters, values)
                except InvalidInput as refused:
                    for problem in refused.problems:
                        problems.setdefault(problem, []).append(host.host)
        if values:
            parameters[workload] = values
    if problems:
        raise InvalidInput(_where(problem, names, len(hosts)) for problem, names in problems.items())
    return campaign.model_copy(update={"parameters": parameters})


def _where(problem: Problem, names: Sequence[str], hosts: int) -> Problem:
    if len(names) == hosts:
        return problem
    return Problem(field=problem.field, message=f"{problem.message} (on {', '.join(names)})")
