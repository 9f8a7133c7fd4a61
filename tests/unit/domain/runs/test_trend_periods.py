"""The periods of a series between changes of its hosts, as sides of one comparison."""

from domain.runs.comparison import MOST_CAMPAIGNS, MOST_IN_ALL, MOST_SIDES
from domain.runs.trend import FactChange, SeriesCampaign, periods_of

NEW = (FactChange(name="kernel", before="6.18.5", after="6.19.0"),)


def a_series(*lengths: int) -> list[SeriesCampaign]:
    """Campaigns of periods with these lengths, called by period and place: ``p0c0``, ``p0c1``, …"""
    places = [(period, place) for period, length in enumerate(lengths) for place in range(length)]
    return [
        SeriesCampaign(id=f"p{period}c{place}", name="t", at="", changed=NEW if period and not place else ())
        for period, place in places
    ]


def test_a_period_begins_where_something_is_new() -> None:
    assert periods_of(a_series(2, 1, 3)) == [("p0c0", "p0c1"), ("p1c0",), ("p2c0", "p2c1", "p2c2")]


def test_one_period_is_no_comparison() -> None:
    assert periods_of(a_series(5)) == []
    assert periods_of([]) == []


def test_the_newest_are_as_many_as_a_comparison_takes() -> None:
    two = periods_of(a_series(60, 30))
    assert [len(ids) for ids in two] == [MOST_CAMPAIGNS] * 2
    assert two[0][-1] == "p0c59"
    many = periods_of(a_series(*[9] * 12))
    assert len(many) == MOST_SIDES + 1
    assert many[-1][-1] == "p11c8"
    assert sum(map(len, many)) <= MOST_IN_ALL
