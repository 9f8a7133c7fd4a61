"""The dashboard *Hosts*: the CPU time of hosts, their drops, and the state of their telemetry."""

from collections.abc import Iterator

from dashboards import influxql, model
from dashboards.influxql import matches_variable, over_time, select
from dashboards.model import Json
from dashboards.panels import arrange, lines, row, series, words
from domain.hosts.noise_limits import MAX_STEAL_SHARE
from domain.probes.sample import (
    CPU_KINDS,
    HOST_CPU,
    KERNEL_LATENCY,
    KERNEL_WORK,
    TELEMETRY,
    loss_field,
)
from domain.probes.telemetry import CAUSES, LossCause

UID = "showdown-hosts"
VARIABLES = ("host", "datapath", "workload", "level")
DESTINATIONS = ("produced", "delivered", "spooled", "queued", "lost")

_CELLS = (matches_variable("campaign"), *map(matches_variable, VARIABLES))
_ON_HOSTS = (matches_variable("campaign"), matches_variable("host"))
_BUSY = " + ".join(f'"{kind}"' for kind in CPU_KINDS if kind not in ("idle", "steal"))


def dashboard() -> Json:
    """The whole dashboard."""
    return model.dashboard(
        UID,
        "Showdown: hosts",
        "The CPU time of hosts while datapaths were compared, their drops, and the state of their telemetry.",
        variables=[model.campaign_variable(), *map(model.variable, VARIABLES)],
        panels=arrange(_panels()),
        since="now-24h",
    )


_EXPLAINED = """\
**Hosts while they measured.** CPU time, drops and telemetry are of the selected campaign. Above a dashed line,
trials are invalid or points are lost. Lost telemetry leaves gaps in charts only: figures and verdicts come from the
coordinator's database. Times are in UTC.
"""


def _panels() -> Iterator[Json]:
    yield words("About this dashboard", _EXPLAINED)
    yield row("$host", repeat="host")
    yield from _cpu()
    yield row("Drops and losses in the kernel")
    yield from _drops()
    yield row("Telemetry")
    yield from _pipeline()


def _cpu() -> Iterator[Json]:
    """The panels that are repeated for each host."""
    yield lines(
        "CPU by kind, $host",
        "Host-wide CPU time by kind, as a share of all CPUs. Steal is time that the hypervisor took.",
        "percentunit",
        [series(over_time(f'mean("{kind}")', HOST_CPU, _CELLS), kind) for kind in CPU_KINDS if kind != "idle"],
        stacked=True,
    )
    yield lines(
        "Busy CPU by datapath, $host",
        "User, system, irq and softirq time of each slice, as a share of all CPUs.",
        "percentunit",
        [series(select(f'{_BUSY} AS "busy"', HOST_CPU, _CELLS, ("datapath", "level")), "$tag_datapath, $tag_level")],
    )
    yield lines(
        "Softirq by datapath, $host",
        "Time in softirqs, where packets are received and forwarded, as a share of all CPUs.",
        "percentunit",
        [series(select('"softirq"', HOST_CPU, _CELLS, ("datapath", "level")), "$tag_datapath, $tag_level")],
    )
    yield lines(
        "Steal, $host",
        "Time that the hypervisor took, as a share of all CPUs. A trial that loses more than 5 % is invalid.",
        "percentunit",
        [series(select('"steal"', HOST_CPU, _CELLS, ("datapath",)), "$tag_datapath")],
        limit=MAX_STEAL_SHARE,
    )


def _drops() -> Iterator[Json]:
    yield lines(
        "Packets dropped by reason",
        "Packets that the kernel freed undelivered in watched labs, by the kernel's reason. Unspecified reasons "
        "and packets freed with their socket are not always losses.",
        "short",
        [
            series(
                over_time(f"sum({influxql.matching('^drops_')})", KERNEL_WORK, _CELLS, ("datapath", "host")),
                "$col $tag_datapath $tag_host",
            )
        ],
        bars=True,
        trimmed="sum_drops_",
    )
    yield lines(
        "Durations lost in the kernel",
        "Starts that were too old to be valid, or found a map or buffer full. Zero in a sound measurement.",
        "short",
        [
            series(
                over_time('sum("lost") AS "lost"', KERNEL_LATENCY, _CELLS, ("stage", "host")), "$tag_stage, $tag_host"
            )
        ],
    )


def _pipeline() -> Iterator[Json]:
    yield lines(
        "Where telemetry points are",
        "The points of the host's current block: produced = delivered + spooled + queued + lost.",
        "short",
        [series(select(f'"{name}"', TELEMETRY, _ON_HOSTS, ("host",)), f"{name} $tag_host") for name in DESTINATIONS],
    )
    causes = ", ".join(f'max("{loss_field(cause)}") AS "{CAUSES[cause]}"' for cause in LossCause)
    yield lines(
        "Lost telemetry points by cause",
        "Points of the host's current block; the sum of the causes is the loss. Zero in a sound measurement.",
        "short",
        [series(over_time(causes, TELEMETRY, _ON_HOSTS, ("host",)), "$col, $tag_host")],
        stacked=True,
        limit=1,
    )
    yield lines(
        "Spool",
        "Points on the host's disk that wait for InfluxDB, including those of earlier blocks.",
        "bytes",
        [series(select('"spool_bytes"', TELEMETRY, _ON_HOSTS, ("host",)), "$tag_host")],
    )
    yield lines(
        "Age of the spool's oldest point",
        "The age of the oldest point on the host's disk.",
        "s",
        [series(select('"spool_age_s"', TELEMETRY, _ON_HOSTS, ("host",)), "$tag_host")],
    )
