"""The limit of open files: what a program wants, or what the host allows."""

import resource

import pytest

from workers.lab import limits


@pytest.mark.parametrize(("hard", "given"), [(resource.RLIM_INFINITY, 5_000), (20_000, 5_000), (1_024, 1_024)])
def test_a_program_gets_what_it_wants_or_what_the_host_allows(
    monkeypatch: pytest.MonkeyPatch, hard: int, given: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (512, hard))
    assert limits.open_files(5_000) == given
