"""Compiled routes, templates and statements that applications of tests share do what new ones do."""

from pathlib import Path

from flask import Flask, render_template_string, url_for
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, insert, select
from werkzeug.routing import Rule

from tests.unit.coordinator import kept_work

RULES = ("/", "/of/<name>", "/of/<int:number>/<path:rest>", "/a b/<string(length=2):two>")
VALUES: dict[str, str | int] = {"name": "one", "number": 7, "rest": "x/ä z", "two": "ab", "more": "1 2"}


class Plain(Flask):
    """With werkzeug's own routes."""

    url_rule_class = Rule


class Kept(Flask):
    """With those that are kept."""


kept_work.keep_routes(Kept)


def urls(kind: type[Flask]) -> list[str]:
    app = kind(__name__, static_folder=None)
    for number, rule in enumerate(RULES):
        app.add_url_rule(rule, str(number))
    app.add_url_rule("/default", "defaults", defaults={"name": "one"})
    with app.test_request_context():
        return [url_for(one.endpoint, **VALUES) for one in app.url_map.iter_rules()]


def test_urls_are_those_of_new_routes() -> None:
    plain = urls(Plain)
    assert len(set(plain)) == len(plain) == len(RULES) + 1
    assert urls(Kept) == urls(Kept) == plain


def rendered(text: str, value: int) -> str:
    app = Flask(__name__)
    kept_work.keep_templates(app)
    with app.app_context():
        return render_template_string(text, value=value)


def test_a_kept_template_is_rendered_with_new_values_and_another_text_is_another_template() -> None:
    assert [rendered("{{ value }}", 1), rendered("{{ value }}", 2), rendered("<{{ value }}>", 3)] == ["1", "2", "<3>"]


NUMBERS = Table("numbers", MetaData(), Column("number", Integer))


def numbers(kept: kept_work.Statements, file: Path, *values: int) -> list[int]:
    engine = create_engine(f"sqlite:///{file}")
    kept.share(engine)
    with engine.begin() as connection:
        NUMBERS.metadata.create_all(connection)
        connection.execute(insert(NUMBERS), [{"number": value} for value in values])
        found = [row.number for row in connection.execute(select(NUMBERS).where(NUMBERS.c.number > 1))]
    engine.dispose()
    return found


def test_a_kept_statement_asks_the_database_of_its_engine_with_new_values(tmp_path: Path) -> None:
    kept = kept_work.Statements()
    assert numbers(kept, tmp_path / "one", 1, 2) == [2]
    compiled = len(kept.compiled)
    assert compiled >= 2
    assert numbers(kept, tmp_path / "two", 3, 4) == [3, 4]
    assert len(kept.compiled) == compiled
