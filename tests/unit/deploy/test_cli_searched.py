"""What searches found, as printed: shares' capacity, whether it moved, and the trials behind bounds."""

import io

from rich.console import Console

from deploy.cli.shown.remarks import print_calibration
from domain.loads.searched import SearchedCapacity
from domain.reports.report import CampaignReport, CellResult

BOUNDS = {
    "tproxy": {"lower_per_s": 19_600, "per_s": 20_400, "upper_per_s": 21_200, "met": 3, "met_of": 3,
               "missed": 2, "missed_of": 2},
    "direct": {"lower_per_s": 41_000, "met": 2, "met_of": 2},
}  # fmt: skip
CHECK = {"fell": ["tproxy"], "sentence": "the capacity of tproxy had fallen by more than 10 % at the campaign's end"}
FOUND = {
    "load": "closed(64)",
    "requests_per_s": 19_600,
    "datapath": "tproxy",
    "host": "h1",
    "rates_per_s": {"half": 9_800},
    "capacities_per_s": {"tproxy": 31_000, "direct": 60_000},
    "open_loop": {"load": "open(100%)", "bounds": BOUNDS, "blocks": 5, "seconds": 41.2, "check": CHECK},
}


def printed(report: CampaignReport) -> str:
    console = Console(file=io.StringIO(), width=200)
    print_calibration(report, console)
    return console.file.getvalue()


def test_shares_name_the_capacity_that_they_refer_to_and_whether_it_moved() -> None:
    lines = printed(CampaignReport(campaign={"calibration": {"http_keepalive": FOUND}})).splitlines()
    assert lines[0] == (
        "Shares of http_keepalive refer to 19,600 requests/s: what its slowest datapath, tproxy, carries in an open "
        "loop on h1, as the lower bound"
    )
    assert lines[1] == (
        "Carried in an open loop (80 % confidence for each): tproxy 19,600 – 21,200/s, direct 41,000 – more (41 s)"
    )
    assert lines[2] == f"Checked: {CHECK['sentence']}"


def test_a_calibration_of_an_older_version_is_printed_as_before() -> None:
    older = {name: value for name, value in FOUND.items() if name != "open_loop"}
    text = printed(CampaignReport(campaign={"calibration": {"http_keepalive": older}}))
    assert "Shares of http_keepalive refer to 19,600 requests/s, the capacity of its slowest datapath, tproxy" in text


def test_a_searched_capacity_has_its_bounds_its_trials_and_its_cost() -> None:
    search = SearchedCapacity(
        lower_per_s=20_400, per_s=None, upper_per_s=22_100, met=41, met_of=43, missed=38, missed_of=38,
        searches=5, blocks=48, seconds=590.4, goal_width=0.02,
    )  # fmt: skip
    cell = CellResult(
        datapath="tproxy", function="steer", workload="http_keepalive", level="slo", load="capacity(p99<=5ms)",
        slo_search=search, valid_trials=5, invalid_trials=0,
    )  # fmt: skip
    line = (
        "tproxy, http_keepalive at slo: 20,400 – 22,100/s; met in 41 of 43 trials up to the lower bound, missed in 38 "
        "of 38 from the upper one on (48 blocks, 590 s)"
    )
    assert line in printed(CampaignReport(campaign={}, results=(cell,)))


def test_searches_name_where_they_began() -> None:
    """At the open loop's upper bound where calibration has found it, and else at the closed loop's rate."""
    known = FOUND | {"open_loop": FOUND["open_loop"] | {"highest_per_s": {"tproxy": 21_200.0}}}
    report = CampaignReport(
        campaign={"calibration": {"http_keepalive": known}},
        results=(
            CellResult(
                datapath="tproxy", function="steer", workload="http_keepalive", level="slo",
                load="capacity(p99<=5ms)", valid_trials=0, invalid_trials=0,
            ),
        ),
    )  # fmt: skip
    text = " ".join(printed(report).split())
    assert "requests/s: tproxy 21,200 in the open loop, direct 60,000" in text
