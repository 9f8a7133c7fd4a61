"""A limit of this host is reported as such, in one sentence, before h2load would end in an assertion."""

import resource
from unittest.mock import Mock

import pytest

from domain.loads.load import ClosedLoad
from workers.traffic.base import GeneratorPlan, Schedule, Target
from workers.traffic.h2load import H2load


def test_too_few_open_files_are_the_generators_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 1024))
    monkeypatch.setattr(resource, "setrlimit", Mock(side_effect=ValueError("not allowed to raise maximum limit")))
    plan = GeneratorPlan("h2load", ClosedLoad(connections=1500), 1500)
    target = Target("direct", "sd-none", "192.0.2.1", 443)
    found = H2load().run(plan, [target], Schedule(("direct",), 0.1))["direct"]
    assert found.limit == found.failure
    assert "need 1532 open files, the limit is 1024 (ulimit -Hn)" in found.failure
