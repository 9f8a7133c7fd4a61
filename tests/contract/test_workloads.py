"""Every discovered workload meets the contract."""

import re

import pytest

import workers.workloads
from domain.loads.load import ClosedLoad, OpenLoad
from domain.loads.profile import Profile
from domain.service.jobs import Feature, HostCapabilities
from domain.values.problems import InvalidInput
from domain.values.registry import discover
from workers.traffic.base import Generator, TargetTraffic
from workers.traffic.h2load import H2load
from workers.traffic.showdown_traffic import ShowdownTraffic
from workers.traffic.wrk import Wrk
from workers.workloads._own import OwnWorkload
from workers.workloads.base import Workload

WORKLOADS: dict[str, Workload] = discover(workers.workloads, Workload)
DRIVERS: list[Generator] = [ShowdownTraffic(), Wrk(), H2load()]
GENERATORS = {driver.name: driver for driver in DRIVERS}
OWN = sorted(name for name, one in WORKLOADS.items() if isinstance(one, OwnWorkload))
FEW_RATES = sorted(name for name, one in WORKLOADS.items() if one.open_rates_per_s)
EVERY = pytest.mark.parametrize("workload", WORKLOADS.values(), ids=lambda w: w.name)


def test_the_promised_workloads_are_discovered() -> None:
    promised = {"http_keepalive", "http_churn", "bulk_download", "bulk_upload", "tcp_rr", "udp_rr", "stream"}
    assert promised <= set(OWN)
    assert {"https_keepalive", "https_churn", "h2"} <= set(OWN)
    assert {"https_keepalive_h2load", "h2_h2load", "http_keepalive_wrk"} <= set(WORKLOADS)


@EVERY
def test_its_name_summary_and_origin_are_valid(workload: Workload) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]{0,31}", workload.name)
    assert workload.summary.endswith(".")
    assert len(workload.summary) < 120
    assert workload.origin in ("nginx", "showdown-traffic")
    assert workload.service in ("http", "https", "h2", "tcp", "udp")
    assert workload.protocol == ("udp" if workload.service == "udp" else "tcp")


@EVERY
def test_it_plans_the_kinds_of_level_that_it_names_and_refuses_others(workload: Workload) -> None:
    for level in (ClosedLoad(connections=5), OpenLoad(rate_per_s=100, arrival="constant")):
        if level.kind in workload.level_kinds:
            plan = workload.plan(level)
            assert plan.load == level
            assert plan.connections == 5 or level.kind == "open"
        else:
            with pytest.raises(ValueError, match=f"{workload.name} carries"):
                workload.plan(level)


@EVERY
def test_it_names_the_programs_that_the_host_lacks(workload: Workload) -> None:
    programs = {f"program.{workload.origin}"}
    programs.add(f"program.{workload.plan(ClosedLoad(connections=5)).generator}")
    absent = tuple(Feature(name=name, present=False, reason="Because.") for name in programs)
    assert len(workload.unmet_requirements(HostCapabilities(host="h", features=absent))) == len(programs)
    present = tuple(Feature(name=name, present=True) for name in programs)
    assert workload.unmet_requirements(HostCapabilities(host="h", features=present)) == []


@pytest.mark.parametrize("name", FEW_RATES)
def test_a_rate_without_an_exact_schedule_is_refused(name: str) -> None:
    workload = WORKLOADS[name]
    for rate in workload.open_rates_per_s:
        constant = OpenLoad(rate_per_s=rate, arrival="constant")
        assert workload.plan(constant).load == constant
    for rate in (3, 999, 1001, 2000, 20_000):
        with pytest.raises(ValueError, match=rf"{name} carries open loads at rates of 1, 2, .* 1000/s only"):
            workload.plan(OpenLoad(rate_per_s=rate, arrival="constant"))
    assert workload.check(TargetTraffic(errors={"corrupt": 2}), 0)
    assert workload.check(TargetTraffic(errors={"timeout": 2}), 0) == []


@pytest.mark.parametrize("name", OWN)
def test_a_single_wrong_body_is_an_error(name: str) -> None:
    assert WORKLOADS[name].check(TargetTraffic(errors={"timeout": 1}), 0) == []
    assert WORKLOADS[name].check(TargetTraffic(errors={"corrupt": 1}), 0) == [
        "1 answers differed from what the origin sends"
    ]


def test_an_open_loop_of_streams_has_connections_for_all_in_progress() -> None:
    # 16 tokens, 5 ms apart: at 5,000/s, 400 streams are in progress at any time.
    assert WORKLOADS["stream"].plan(OpenLoad(rate_per_s=5000)).connections == 800
    assert WORKLOADS["stream"].plan(OpenLoad(rate_per_s=1)).connections == 512


@pytest.mark.parametrize("name", FEW_RATES)
def test_arrivals_that_the_generator_does_not_offer_are_refused(name: str) -> None:
    workload = WORKLOADS[name]
    assert workload.open_arrivals == ("constant",)
    ramp = Profile(shape="ramp", rates_per_s=(50, 100))
    for level in (
        OpenLoad(rate_per_s=100),
        OpenLoad(rate_per_s=100, arrival="constant", in_flight=9),
        OpenLoad(rate_per_s=100, arrival="constant", profile=ramp),
    ):
        with pytest.raises(ValueError, match=f"{name} carries constant arrivals at one rate and without a limit only"):
            workload.plan(level)


@pytest.mark.parametrize("name", OWN)
def test_a_level_limits_the_requests_in_flight(name: str) -> None:
    streams = 8 if name == "h2" else 1  # the default of its parameter
    usual = WORKLOADS[name].plan(OpenLoad(rate_per_s=100)).connections * streams
    assert usual in (16, 512)
    limited = WORKLOADS[name].plan(OpenLoad(rate_per_s=100, in_flight=77)).connections
    assert (limited - 1) * streams < 77 <= limited * streams


@EVERY
def test_its_parameters_have_units_and_limits_and_an_effect(workload: Workload) -> None:
    level = ClosedLoad(connections=5)
    usual = workload.plan(level)
    assert len({one.name for one in workload.parameters}) == len(workload.parameters) > 0
    defaults = {one.name: one.default for one in workload.parameters}
    assert workload.plan(level, defaults) == usual, "a default must not change the plan"
    for one in workload.parameters:
        assert one.summary.endswith(".")
        assert one.unit
        plans = [workload.plan(level, {one.name: value}) for value in (one.minimum, one.maximum)]
        differing = {(p.options, p.path, p.answer, p.sources, p.event, p.idle_connections) for p in [*plans, usual]}
        assert len(differing) >= 2
        assert plans[0] != plans[1]
        for wrong in (one.minimum - 1, one.maximum + 1):
            with pytest.raises(InvalidInput, match=rf"parameters\.{workload.name}\.{one.name}: .* out of range"):
                workload.plan(level, {one.name: wrong})
    with pytest.raises(InvalidInput, match="has no parameter 'odd'"):
        workload.plan(level, {"odd": 1})


@pytest.mark.parametrize(
    ("name", "limit"), [("http_keepalive", 512), ("h2", 512), ("bulk_download", 16), ("udp_rr", None)]
)
def test_a_plan_says_how_many_requests_may_be_in_flight(name: str, limit: int | None) -> None:
    """A datagram's socket sends at once, so nothing limits them; of a closed loop the level says it."""
    workload = WORKLOADS[name]
    assert workload.plan(OpenLoad(rate_per_s=1000)).in_flight == limit
    assert workload.plan(ClosedLoad(connections=8)).in_flight is None


def test_the_defaults_have_not_changed() -> None:
    expected = {
        "http_keepalive": (),
        "http_churn": ("--body-bytes", "128"),
        "bulk_download": ("--body-bytes", "1048576"),
        "bulk_upload": ("--body-bytes", "1048576"),
        "tcp_rr": ("--body-bytes", "64"),
        "udp_rr": ("--body-bytes", "64", "--datagrams", "1"),
        "stream": ("--tokens", "16", "--token-bytes", "32", "--cadence-us", "5000"),
        "https_keepalive": ("--resume-percent", "0"),
        "https_churn": ("--resume-percent", "0"),
        "h2": ("--streams", "8", "--resume-percent", "0"),
    }
    options = {name: WORKLOADS[name].plan(ClosedLoad(connections=5)).options[2:] for name in expected}
    assert options == expected
    assert WORKLOADS["http_keepalive"].plan(ClosedLoad(connections=5)).answer == b"showdown " + b"." * 54 + b"\n"


@EVERY
def test_it_gives_a_reason_if_its_generator_takes_one_client_only(workload: Workload) -> None:
    generator = GENERATORS[workload.plan(ClosedLoad(connections=5)).generator]
    assert generator.many_clients is (workload.one_client == "")


def test_a_long_stream_gets_a_longer_timeout() -> None:
    stream = WORKLOADS["stream"]
    assert stream.plan(ClosedLoad(connections=1)).answer_s == pytest.approx(0.08)
    plan = stream.plan(OpenLoad(rate_per_s=100), {"tokens": 200, "gap_us": 20_000})
    assert (plan.answer_s, plan.connections) == (pytest.approx(4.0), 800)
