"""The short forms of ``make fuzz``, and tests of its parts: each must be able to find what it looks for."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from flask import abort
from sqlalchemy import text

from coordinator.services import services
from tests.fuzz.attack import Attack, Kind, attack
from tests.fuzz.messages import attacked
from tests.fuzz.mutations import mutated
from tests.fuzz.reports import all_valid, attack_by_reports
from tests.fuzz.seeds import STATIC, seeds
from tests.fuzz.target import Target, target
from tests.fuzz.watches import FileWatch
from tests.fuzz.wsgi import Request

SEED = 20_261_130  # the suite has the same requests in every run; make fuzz draws others
REQUESTS, REPORTS, MESSAGES = 400, 10, 200


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attack]:
    directory = Path(tmp_path_factory.mktemp("fuzz"))
    with target(directory) as found:
        yield Attack(found, FileWatch(directory))


@pytest.fixture
def fresh(on_sqlite: Attack) -> Attack:
    """Without findings, on a database as it was."""
    on_sqlite.target.restore()
    on_sqlite.findings.clear()
    return on_sqlite


def found(attack: Attack) -> str:
    return "\n".join(map(str, attack.findings))


def test_every_route_has_a_valid_request(fresh: Attack) -> None:
    rules = [rule for rule in fresh.target.app.app.url_map.iter_rules() if rule.endpoint != STATIC]
    routes = {f"{method} {rule.endpoint}" for rule in rules for method in rule.methods - {"HEAD", "OPTIONS"}}
    assert {one.name for one in seeds(fresh.target)} == routes
    assert all_valid(fresh.target) == []


def test_mutated_requests_end_in_no_error_and_leave_nothing(fresh: Attack) -> None:
    attack(fresh, SEED, REQUESTS)
    assert found(fresh) == ""
    assert fresh.sent >= REQUESTS


def test_hostile_reports_end_in_no_error_and_leave_nothing(fresh: Attack) -> None:
    attack_by_reports(fresh, SEED, REPORTS)
    assert found(fresh) == ""


def test_requests_of_the_schema_end_in_no_error_and_leave_nothing(fresh: Attack) -> None:
    from tests.fuzz.schema import attack_by_schema  # schemathesis takes a second to import

    sent = attack_by_schema(fresh, SEED, examples=1)
    assert found(fresh) == ""
    assert min(sent.values()) >= 40
    assert len(sent) == 4, "two modes with two tokens"


def test_hostile_messages_do_not_run() -> None:
    counts = attacked(SEED, MESSAGES)
    assert (counts["ran"], counts["left"]) == (0, 0)
    assert counts["dropped"] == counts["messages"] >= 60


def test_a_seed_repeats_its_requests(fresh: Attack) -> None:
    def few() -> list[Request]:
        return [mutated(one, Random(f"{SEED} {i}")) for i, one in enumerate(seeds(fresh.target))]

    assert few() == few()


def test_the_line_that_repeats_a_request_has_all_of_it(tmp_path: Path) -> None:
    request = Request("POST", b"/a?b=%00", (("X-Y", "it's"),), b"a\0\xff'\n\\")
    line = request.as_curl()
    assert line.startswith("printf '%b' 'a\\0000\\0377\\0047\\0012\\0134' | curl --path-as-is -X POST")
    assert """'X-Y: it'"'"'s'""" in line
    assert "/a?b=%00" in line


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Attack, Target]]:
    """An application with views that break the rules."""
    tmp_path = Path(tmp_path_factory.mktemp("broken")) / "state"
    with target(tmp_path) as made:

        def refuses_and_writes() -> None:
            with services().store.write() as session:
                session.execute(text("UPDATE campaigns SET error = 'changed'"))
            abort(400)

        def refuses_and_sends() -> None:
            services().dispatcher.ask_for_matrix("h1", ())
            abort(400)

        def leaves_files() -> None:
            (tmp_path.parent / "left").write_text("x")
            (tmp_path.parent / "made").mkdir(exist_ok=True)
            abort(400)

        def raises() -> None:
            raise RuntimeError("on purpose")

        made.app.app.view_functions |= {
            "catalogue.list_datapaths": refuses_and_writes,
            "catalogue.list_workloads": refuses_and_sends,
            "catalogue.list_probes": leaves_files,
            "catalogue.list_hosts": raises,
            "campaigns.get_campaign": lambda campaign_id: 1 / 0,
            "campaign_list.list_campaigns": lambda: ("no", 400),
        }
        yield Attack(made, FileWatch(tmp_path)), made


@pytest.mark.parametrize(
    ("path", "kind", "said"),
    [
        ("datapaths", Kind.SIDE_EFFECT, "campaigns: "),
        ("workloads", Kind.SIDE_EFFECT, "a message was sent"),
        ("probes", Kind.SIDE_EFFECT, "opened "),
        ("probes", Kind.SIDE_EFFECT, "os.mkdir "),
        ("hosts", Kind.SERVER_ERROR, "RuntimeError: on purpose at "),
        ("campaigns/aaaaaaaa", Kind.SET_ASIDE, "division by zero"),
        ("campaigns", Kind.SHAPE, "400"),
    ],
)
def test_what_must_not_happen_is_found(broken: tuple[Attack, Target], path: str, kind: Kind, said: str) -> None:
    found, made = broken
    found.findings.clear()
    found.send(Request("GET", f"/api/v1/{path}".encode(), tuple(made.app.user.items())))
    assert any(one.kind is kind and said in one.detail for one in found.findings), found.findings
    assert found.counts()[kind.value]


def test_a_sound_request_is_no_finding(fresh: Attack) -> None:
    (one,) = [one for one in seeds(fresh.target) if one.name == "POST hosts.enrol_host"]
    assert fresh.send(one).status == 201
    assert fresh.send(replace(one, body=b"{")).status == 400
    assert fresh.findings == []
