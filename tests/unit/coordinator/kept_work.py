"""What all applications of a test process have in common and make once: compiled templates, routes and SQL.

Hundreds of tests make an application each. To compile its hundred routes takes 0.04 s of CPU time, and the templates of
one page 0.1 s. The SQL of one campaign takes a third of the time of a test.
"""

from collections.abc import Callable
from typing import Any

from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from sqlalchemy import Engine, create_engine
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from werkzeug.routing import Rule

_builders: dict[object, Callable[..., tuple[str, str]]] = {}


class CompiledTemplates(BytecodeCache):
    """Keeps compiled templates, by name and text."""

    def __init__(self) -> None:
        self._compiled: dict[tuple[str, str], bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """See BytecodeCache."""
        if known := self._compiled.get((bucket.key, bucket.checksum)):
            bucket.bytecode_from_string(known)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """See BytecodeCache."""
        self._compiled[bucket.key, bucket.checksum] = bucket.bytecode_to_string()


class CompiledRule(Rule):
    """A route whose functions that build URLs are those of an equal route of an earlier application."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        """The function takes the route as its first argument, and depends on nothing but the key."""
        if self.defaults:
            return super()._compile_builder(append_unknown)
        key = (self.rule, tuple(self._trace), append_unknown)
        if key not in _builders:
            _builders[key] = super()._compile_builder(append_unknown)
        return _builders[key]


class Statements:
    """The compiled SQL of all SQLite databases. An engine keeps its own, by statement and its own dialect object."""

    def __init__(self) -> None:
        self.compiled: dict[Any, Any] = {}
        self._donor = create_engine("sqlite://")
        self._donor.connect().close()  # the dialect learns from the first connection what SQLite can do

    def share(self, engine: Engine) -> None:
        """Let a new engine use what other engines have compiled."""
        engine.dialect = self._donor.dialect
        engine.update_execution_options(compiled_cache=self.compiled)


TEMPLATES = CompiledTemplates()


def keep_routes(application: type[Flask] = Flask) -> None:
    """Let every application that is made from now on use compiled routes."""
    kind: Any = application
    kind.url_rule_class = CompiledRule


def keep_templates(application: Flask) -> None:
    """Let this application use compiled templates."""
    application.jinja_env.bytecode_cache = TEMPLATES


def keep_statements() -> Statements:
    """Let every SQLite engine that is made from now on use compiled statements."""
    kept, kind = Statements(), SQLiteDialect_pysqlite
    kind.engine_created = classmethod(lambda _, engine: kept.share(engine))  # type: ignore[method-assign]
    return kept
