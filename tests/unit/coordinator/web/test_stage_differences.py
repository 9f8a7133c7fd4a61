"""The difference of two mean requests: one plain sentence, and a bar for each stage that is known to differ."""

from coordinator.web.stage_differences import BAR_WIDTH, difference_table
from domain.reports.explanation import Difference, StagePart


def part(stage: str, us: float, half: float, role: str = "", blocks: int = 6) -> StagePart:
    return StagePart(stage=stage, role=role, us=us, low_us=us - half, high_us=us + half, blocks=blocks)


def difference(**changes: object) -> Difference:
    base = {
        "datapath": "tproxy",
        "reference": "direct",
        "workload": "http_keepalive",
        "level": "half",
        "pairs": 6,
        "mean_us": part("mean", 1_000, 50),
        "parts": (part("run_queue", -40, 10, "proxy"), part("device_hop", 3, 20)),
        "only_datapath": (part("proxy_residence", 940, 60, "to_origin", 5),),
        "rest": part("rest", 97, 200),
        "sentence": "The whole of it.",
    }
    return Difference(**(base | changes))


def test_the_sentence_names_the_largest_stage_and_its_share() -> None:
    found = difference_table(difference())
    assert found.sentence == (
        "A request of tproxy takes 1.00 ms longer than one of direct. 94 % of that is proxy residence (to origin)."
    )


def test_what_is_not_known_has_no_row_but_the_rest() -> None:
    rows = difference_table(difference()).rows
    assert [(row.stage, row.us, row.interval, row.note) for row in rows] == [
        ("proxy_residence", "+940", "[+880, +1,000]", "only tproxy, 5 of 6 pairs"),
        ("run_queue", "−40", "[−50, −30]", ""),
        ("rest", "+97", "[−103, +297]", "may be zero"),
    ]


def test_bars_point_from_the_middle_to_the_side_of_their_sign() -> None:
    more, less, _ = difference_table(difference()).rows
    assert (more.x, more.is_more) == (BAR_WIDTH / 2, True)
    assert less.x + less.width == BAR_WIDTH / 2
    assert more.width > less.width > 0
    assert more.x + more.width <= BAR_WIDTH


def test_a_stage_of_the_reference_alone_takes_its_time_off() -> None:
    theirs = difference(mean_us=part("mean", -500, 50), only_datapath=(), only_reference=(part("notify", 400, 20),))
    found = difference_table(theirs)
    assert found.sentence == "A request of tproxy takes 500 µs less than one of direct. 80 % of that is notify."
    assert (found.rows[0].us, found.rows[0].note) == ("−400", "only direct")


def test_a_stage_larger_than_the_whole_has_no_share() -> None:
    found = difference_table(difference(parts=(part("run_queue", 1_400, 10),), only_datapath=()))
    assert found.sentence.endswith("The largest part is run queue.")


def test_without_a_known_difference_the_report_s_own_sentence_stands_alone() -> None:
    for unknown in (difference(pairs=2), difference(mean_us=part("mean", 1, 9), parts=(), only_datapath=())):
        found = difference_table(unknown)
        assert (found.sentence, found.rows) == ("The whole of it.", ())


def test_a_mean_that_may_be_equal_is_said_to_be() -> None:
    found = difference_table(difference(mean_us=part("mean", 10, 50)))
    assert found.sentence == "A request of tproxy may take as long as one of direct; some of its parts differ."
    assert len(found.rows) == 3
